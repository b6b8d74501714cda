//! Tests of `resolver`.
#![allow(clippy::unwrap_used)]
use super::*;

fn checked(allowed: &[&str], addresses: &[&str]) -> Result<usize, String> {
    let policy = AddressPolicy::new(allowed.iter().map(|network| network.parse().unwrap()).collect());
    let addresses = addresses.iter().map(|address| SocketAddr::new(address.parse().unwrap(), 0)).collect();
    check(&policy, addresses).map(|kept| kept.len()).map_err(|error| error.to_string())
}

#[test]
fn every_address_of_a_name_must_be_permitted() {
    assert_eq!(checked(&[], &["1.1.1.1", "2606:4700::1"]), Ok(2));
    let refused = Err("10.0.0.1 is not a public address".to_owned());
    assert_eq!(checked(&[], &["1.1.1.1", "10.0.0.1"]), refused);
    assert_eq!(checked(&[], &["::ffff:10.0.0.1"]), refused);
    assert_eq!(checked(&["10.0.0.0/8"], &["1.1.1.1", "10.0.0.1"]), Ok(2));
    assert_eq!(checked(&[], &[]), Err("the name can't be looked up".to_owned()));
}

#[tokio::test]
async fn a_name_is_looked_up_and_checked() {
    let resolver = |allowed: &[&str]| {
        let allowed = allowed.iter().map(|network| network.parse().unwrap()).collect();
        Resolver::new(AddressPolicy::new(allowed))
    };
    let Err(error) = resolver(&[]).resolve("localhost".parse().unwrap()).await else { unreachable!() };
    assert!(error.downcast_ref::<Refused>().is_some_and(|refused| refused.0.is_loopback()), "{error}");
    let open = resolver(&["127.0.0.0/8", "::1/128"]);
    let found: Vec<SocketAddr> = open.resolve("localhost".parse().unwrap()).await.unwrap().collect();
    assert!(!found.is_empty() && found.iter().all(|address| address.ip().is_loopback()));
}
