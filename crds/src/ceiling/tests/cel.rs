//! Runs the CEL of an admission policy as the API server does: variables by name, then the validation, then
//! its message. Functions of Kubernetes' own libraries are played.

use crate::Quantity;
use ::cel::extractors::This;
use ::cel::{Context, Env, ExecutionError, Program, Value as CelValue, extensions};
use ipnet::IpNet;
use k8s_openapi::api::admissionregistration::v1::ValidatingAdmissionPolicy;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

thread_local! {
    /// Expressions that were read before: each is asked of many cases.
    static PROGRAMS: RefCell<HashMap<String, Rc<Program>>> = RefCell::default();
}

fn program(expression: &str) -> Rc<Program> {
    let known = PROGRAMS.with_borrow(|programs| programs.get(expression).cloned());
    known.unwrap_or_else(|| {
        let program = Program::compile(expression).unwrap_or_else(|error| panic!("{expression}: {error}"));
        let program = Rc::new(program);
        PROGRAMS.with_borrow_mut(|programs| programs.insert(expression.to_owned(), Rc::clone(&program)));
        program
    })
}

/// What an expression comes to, given what it may name.
fn run(
    expression: &str,
    params: &Value,
    spec: &Value,
    variables: &HashMap<String, CelValue>,
) -> Result<CelValue, String> {
    let program = program(expression);
    let mut env = Env::stdlib();
    env.add_extension(extensions::strings).unwrap();
    let mut context = Context::with_env(Arc::new(env));
    context.add_variable("params", params.clone()).unwrap();
    context.add_variable("object", json!({ "spec": spec })).unwrap();
    context.add_variable_from_value("variables", variables.clone());
    context.add_function("quantity", |text: Arc<String>| milli(&text)).unwrap();
    context.add_function("compareTo", |This(this): This<i64>, other: i64| (this - other).signum()).unwrap();
    context.add_function("sum", |This(list): This<Arc<Vec<CelValue>>>| sum(&list)).unwrap();
    context.add_function("isCIDR", |text: Arc<String>| network(&text).is_some()).unwrap();
    context.add_function("cidr", |text: Arc<String>| text).unwrap();
    context
        .add_function("containsCIDR", |This(outer): This<Arc<String>>, inner: Arc<String>| {
            network(&outer).zip(network(&inner)).is_some_and(|(a, b)| a.contains(&b.trunc()))
        })
        .unwrap();
    program.execute(&context).map_err(|error| format!("{expression}: {error}"))
}

/// Kubernetes' quantity, as a number of thousandths.
fn milli(text: &str) -> Result<i64, ExecutionError> {
    let milli = Quantity(text.to_owned()).milli();
    let milli = milli.map_err(|error| ExecutionError::function_error("quantity", error))?;
    i64::try_from(milli).map_err(|error| ExecutionError::function_error("quantity", error))
}

/// Of whole numbers alone: a list of them is what the API server takes for one of them.
fn sum(list: &[CelValue]) -> Result<i64, ExecutionError> {
    let number = |value: &CelValue| match value {
        CelValue::Int(number) => Ok(*number),
        other => Err(ExecutionError::function_error("sum", format!("{other:?} is no whole number"))),
    };
    list.iter().map(number).sum()
}

/// As Go's `netip.ParsePrefix` reads it, and without IPv4 in IPv6.
fn network(text: &str) -> Option<IpNet> {
    let (address, bits) = text.split_once('/')?;
    let address: std::net::IpAddr = address.parse().ok()?;
    let mapped = matches!(address, std::net::IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some());
    let bits = bits.parse().ok().filter(|number: &u8| number.to_string() == bits)?;
    IpNet::new(address, bits).ok().filter(|_| !mapped)
}

/// The variables that can be computed: the API server computes one when it is named, so one that can't and
/// isn't does no harm.
fn variables(
    admission: &ValidatingAdmissionPolicy,
    params: &Value,
    spec: &Value,
) -> HashMap<String, CelValue> {
    let mut known = HashMap::new();
    for variable in admission.spec.as_ref().unwrap().variables.iter().flatten() {
        if let Ok(value) = run(&variable.expression, params, spec, &known) {
            known.insert(variable.name.clone(), value);
        }
    }
    known
}

/// What the admission policy says of a spec; nothing where it allows it.
pub(super) fn tried(
    admission: &ValidatingAdmissionPolicy,
    params: &Value,
    spec: &Value,
) -> Result<Option<String>, String> {
    let known = variables(admission, params, spec);
    let validation = &admission.spec.as_ref().unwrap().validations.as_ref().unwrap()[0];
    match run(&validation.expression, params, spec, &known)? {
        CelValue::Bool(true) => Ok(None),
        CelValue::Bool(false) => {
            match run(validation.message_expression.as_ref().unwrap(), params, spec, &known)? {
                CelValue::String(text) => Ok(Some(text.to_string())),
                other => panic!("{other:?}"),
            }
        }
        other => panic!("{other:?}"),
    }
}

pub(super) fn answer(admission: &ValidatingAdmissionPolicy, params: &Value, spec: &Value) -> Option<String> {
    tried(admission, params, spec).unwrap_or_else(|error| panic!("{error}"))
}

/// All findings of the ceiling's policy.
pub(super) fn findings(params: &Value, spec: &Value) -> Vec<String> {
    let admission = super::ceiling_policy();
    let known = variables(&admission, params, spec);
    let found = known.get("findings").cloned();
    let Some(CelValue::List(found)) = found else {
        let all = admission.spec.unwrap().variables.unwrap();
        let lost: Vec<_> = all
            .iter()
            .filter(|variable| !known.contains_key(&variable.name))
            .map(|variable| run(&variable.expression, params, spec, &known))
            .collect();
        panic!("no findings: {lost:#?}");
    };
    let text = |value: &CelValue| match value {
        CelValue::String(text) => text.to_string(),
        other => panic!("{other:?}"),
    };
    found.iter().map(text).collect()
}
