//! A composition of two parts with different rights, as nodes make and run it: planned, composed, compiled,
//! and run with Morph's own host in this process.

use crate::samples::Samples;
use anyhow::{Context, Result, bail, ensure};
use morph_component::{Host, InterfaceId, MAIN, Part, Plan, compose, inspect, plan};
use morph_grant::{Access, FilesystemGrant, Grants};
use morph_host::{EngineKind, Plug, Preopen, Program, Run, Stdio, Task, compile, running_engine};
use std::fs::File;
use std::io::{Read, Seek};
use tempfile::TempDir;

/// How the plug is called.
const PLUG: &str = "plug";

/// Where the plug has a directory, and the main component none.
const DIRECTORY: &str = "/data";

/// Two parts and what they become.
#[derive(Debug)]
pub struct Composition {
    parts: [Vec<u8>; 2],
    plan: Plan,
    composed: Vec<u8>,
}

impl Composition {
    /// Composes a main component and a plug.
    ///
    /// # Errors
    /// Parts that don't fit together.
    pub fn new(main: Vec<u8>, plug: Vec<u8>) -> Result<Self> {
        let parts = [main, plug];
        let plan = planned(&parts)?;
        let composed = compose(&plan, &[&parts[0], &parts[1]])?;
        Ok(Self { parts, plan, composed })
    }

    /// Composes the same parts again by the plan that is known.
    ///
    /// # Errors
    /// Parts that give something else than before.
    pub fn again(&self) -> Result<()> {
        let composed = compose(&self.plan, &[&self.parts[0], &self.parts[1]])?;
        ensure!(composed == self.composed, "the same parts gave another component");
        Ok(())
    }

    /// Reads the same parts and plans again: all of each is validated, and what it imports is answered.
    ///
    /// # Errors
    /// Parts that give another plan than before.
    pub fn read_again(&self) -> Result<()> {
        ensure!(planned(&self.parts)? == self.plan, "the same parts gave another plan");
        Ok(())
    }

    /// Compiles the composed component.
    ///
    /// # Errors
    /// The compiler's.
    pub fn compile(&self, kind: EngineKind) -> Result<Vec<u8>> {
        Ok(compile(&self.composed, kind)?)
    }

    /// Compiles the parts, one after the other.
    ///
    /// # Errors
    /// The compiler's.
    pub fn compile_parts(&self, kind: EngineKind) -> Result<()> {
        self.parts.iter().try_for_each(|part| compile(part, kind).map(drop).map_err(Into::into))
    }

    /// Sizes of the parts, in bytes.
    #[must_use]
    pub fn sizes(&self) -> [usize; 2] {
        self.parts.each_ref().map(Vec::len)
    }

    /// Makes it ready to be called on an engine, as nodes do: compiled, then mapped by an engine that has no
    /// compiler. That each part has its own rights and no other's is seen first.
    ///
    /// # Errors
    /// An engine or code that can't be had; parts with rights that aren't theirs.
    pub async fn ready(&self, kind: EngineKind) -> Result<Ready> {
        let directory = tempfile::tempdir()?;
        let code = directory.path().join("code");
        std::fs::write(&code, self.compile(kind)?)?;
        let program = Program::load(&running_engine(kind)?, &code)?;
        let ready = Ready { program, task: self.task(&directory), directory };
        let rights = ready.run(&["rights"]).await?;
        ensure!(rights == format!("MAIN=1\n{DIRECTORY}"), "the parts' rights are others: {rights}");
        Ok(ready)
    }

    /// The main component has an environment and no directory, the plug a directory and no environment.
    fn task(&self, directory: &TempDir) -> Task {
        let (path, access) = (DIRECTORY.to_owned(), Access::ReadOnly);
        let filesystem =
            FilesystemGrant { volume: "data".into(), path: path.clone(), sub_path: None, access };
        let plug = Plug {
            name: PLUG.into(),
            env: Vec::new(),
            preopens: vec![Preopen { path, directory: directory.path().to_owned(), access }],
            grants: Grants { filesystem: vec![filesystem], ..Grants::default() },
        };
        Task {
            env: vec![("MAIN".into(), "1".into())],
            grants: Grants { environment: true, ..Grants::default() },
            plugs: vec![plug],
            labels: self.plan.labels().collect(),
            ..Task::ungranted(MAIN, Run::Command)
        }
    }
}

/// A composition whose code is in memory, with what it is run with.
#[derive(Debug)]
pub struct Ready {
    program: Program,
    task: Task,
    /// What the plug is given, and where the code is.
    directory: TempDir,
}

impl Ready {
    /// Runs it once; answers what it wrote.
    ///
    /// # Errors
    /// A run that fails, with what it said.
    pub async fn run(&self, args: &[&str]) -> Result<String> {
        let mut task = self.task.clone();
        task.args = args.iter().map(|arg| (*arg).to_owned()).collect();
        let mut said = tempfile::tempfile_in(&self.directory)?;
        let stdio = Stdio {
            stdin: File::open("/dev/null")?.into(),
            stdout: said.try_clone()?.into(),
            stderr: said.try_clone()?.into(),
        };
        let (_stopper, stop) = morph_host::stop();
        let outcome = morph_host::run(self.program.clone(), task, stdio, stop, |_| {}, None).await;
        let mut text = String::new();
        said.rewind()?;
        said.read_to_string(&mut text)?;
        if outcome.code != 0 {
            bail!("the composition ended with {}: {text}", outcome.code);
        }
        Ok(text.trim_end().to_owned())
    }

    /// Lets the main component call the plug; answers the nanoseconds of a call, which are those of the
    /// median batch.
    ///
    /// # Errors
    /// A run that fails.
    pub async fn nanos(&self, what: &str, (batches, calls): (u32, u32), further: &[&str]) -> Result<f64> {
        let counts = [batches, calls].map(|count| count.to_string());
        let args = [&[what, counts[0].as_str(), counts[1].as_str()], further].concat();
        let said = self.run(&args).await?;
        let took: Result<Vec<f64>, _> = said.lines().map(str::parse).collect();
        let took = took.with_context(|| format!("{said:?} are no nanoseconds"))?;
        Ok(Samples::new(took).context("no batch was timed")?.median() / f64::from(calls))
    }
}

/// The plan of two parts.
fn planned(parts: &[Vec<u8>; 2]) -> Result<Plan> {
    let [main, plug] = [inspect(&parts[0])?, inspect(&parts[1])?];
    let part = |name, world| Part { name, world };
    Ok(plan(part(MAIN, &main), &[part(PLUG, &plug)], &[], host)?)
}

/// What the host makes of an import, before anybody asks for rights.
fn host(_: &str, import: &InterfaceId) -> Host {
    morph_grant::host(import, &Grants::of_each_capability())
}
