//! A plug between another part and the host: that part has the plug's answers, and no way round it.

use super::*;
use morph_grant::ConfigEntry;

const CONFIG: &str = "wasi:config/store";
const ENVIRONMENT: &str = "wasi:cli/environment";

/// What the main component says; the plug between gives it its arguments.
fn says_between(words: &str) -> (String, Plan) {
    let parts = [(MAIN, "part-granted-main"), ("between", "part-between"), ("plug", "part-granted-plug")];
    let links = [
        (MAIN, CONFIG, "between"),
        (MAIN, ENVIRONMENT, "between"),
        ("plug", CONFIG, "host"),
        ("plug", ENVIRONMENT, "host"),
    ];
    let (program, plan) = composition(&parts, &links);
    let mut task = granted::task(&["plug", "env"], "main");
    task.env = vec![("SECRET".into(), "main's".into())];
    let config = |value: &str| vec![ConfigEntry { key: "k".into(), value: Some(value.into()), file: None }];
    task.grants.config = config("main's");
    let mut between = Plug { name: "between".into(), ..plug() };
    between.grants.environment = true;
    between.env = vec![("ARGS".into(), words.into())];
    between.grants.config = config("the plug's between");
    let ended = run_composed((program, plan.clone()), task, vec![between, granted::plug("plug")]);
    assert_eq!(ended.code, 0, "{ended:?}");
    (says(&ended), plan)
}

#[test]
fn a_plug_between_a_part_and_the_host_is_asked_in_the_hosts_place() {
    let (says, plan) = says_between("self env");
    assert_eq!(says, "BY=the plug between");
    assert_eq!(says_between("self config").0, "k=hidden");
    assert_eq!(says_between("self config k").0, "hidden");
    let own = plan.labels().filter(|label| label.part == 0).map(|label| label.interface.to_string());
    let ways: Vec<String> =
        own.filter(|label| label.starts_with(CONFIG) || label.starts_with(ENVIRONMENT)).collect();
    assert!(ways.is_empty(), "{ways:?}");
}
