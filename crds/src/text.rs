//! Texts of one shape that stand in lists: each brings its bounds and its shape with it.

use crate::bounds::*;
use crate::checked::shape::{self, Shape};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;

macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $chars_max:expr, $shape:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl $name {
            /// The text as it was written.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                schema($chars_max, &$shape)
            }
        }
    };
}

fn schema(chars_max: u32, shape: &Shape) -> Schema {
    json_schema!({
        "type": "string",
        "minLength": 1,
        "maxLength": chars_max,
        "x-kubernetes-validations": shape.rules(),
    })
}

text! {
    /// A DNS name, `*.` and a suffix of two labels or more, an IPv4 address, or an IPv6 address in brackets.
    HostPattern, SUBDOMAIN_CHARS_MAX, shape::HOST
}
text! {
    /// A network as CIDR.
    Cidr, CIDR_CHARS_MAX, shape::CIDR
}
text! {
    /// The beginning of a path, cut at slashes.
    PathPrefix, PATH_PREFIX_CHARS_MAX, shape::PATH_PREFIX
}
text! {
    /// A host as in [`HostPattern`], or `*` for every host: only a ceiling may say so.
    HostCeiling, SUBDOMAIN_CHARS_MAX, shape::HOST_CEILING
}
text! {
    /// The beginning of an image, with its registry and a slash.
    ImagePrefix, IMAGE_CHARS_MAX, shape::IMAGE_PREFIX
}
text! {
    /// Name of an object whose name is a DNS subdomain.
    ObjectName, SUBDOMAIN_CHARS_MAX, shape::SUBDOMAIN
}
