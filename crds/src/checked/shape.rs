//! Shapes of texts: one regular expression each, in the syntax that RE2 and Rust share, with what to say
//! when a text doesn't have it. They stand in the schema as CEL rules, whose message people can act on.

use serde_json::{Value, json};

/// The shape of a text.
pub(crate) struct Shape {
    /// The regular expression; no double quote in it.
    pub(crate) pattern: &'static str,
    /// What a text must be instead.
    pub(crate) message: &'static str,
}

impl Shape {
    /// As `x-kubernetes-validations` of a string's schema.
    pub(crate) fn rules(&self) -> Value {
        json!([{ "rule": format!("{PREFIX}{}{SUFFIX}", self.pattern), "message": self.message }])
    }

    /// The same of what is a text or a number.
    pub(crate) fn number_rules(&self) -> Value {
        json!([{ "rule": format!("{NUMBER_PREFIX}{}{SUFFIX}", self.pattern), "message": self.message }])
    }

    /// The CEL rule that all keys of a map have this shape.
    pub(crate) fn keys_rule(&self) -> String {
        format!("{KEYS_PREFIX}{}{KEYS_SUFFIX}", self.pattern)
    }
}

/// What a shape's rule begins with: by this the offline check knows it.
pub(crate) const PREFIX: &str = "self.matches(r\"";
/// The same for what may also be a number. Of `string(…)` the API server knows no length, so a rule that
/// does so to a text is over its cost budget.
pub(crate) const NUMBER_PREFIX: &str = "string(self).matches(r\"";
/// What a shape's rule ends with.
pub(crate) const SUFFIX: &str = "\")";
/// What the rule of a map's keys begins with.
pub(crate) const KEYS_PREFIX: &str = "self.all(k, k.matches(r\"";
/// What the rule of a map's keys ends with.
pub(crate) const KEYS_SUFFIX: &str = "\"))";

/// A DNS label (RFC 1123).
pub(crate) const LABEL: Shape = Shape {
    pattern: "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
    message: "must be lower-case letters, digits and '-', starting and ending with a letter or digit",
};

/// A Morph's name: a DNS label that can be a Service's name (RFC 1035), so it starts with a letter.
pub(crate) const NAME: Shape = Shape {
    pattern: "^[a-z]([-a-z0-9]*[a-z0-9])?$",
    message: "must be lower-case letters, digits and '-', starting with a letter, ending with a letter or \
              digit",
};

/// A DNS subdomain (RFC 1123).
pub(crate) const SUBDOMAIN: Shape = Shape {
    pattern: r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
    message: "must be lower-case letters, digits, '-' and '.', each part starting and ending with a letter \
              or digit",
};

/// A key of a ConfigMap or Secret.
pub(crate) const KEY: Shape =
    Shape { pattern: "^[-._a-zA-Z0-9]+$", message: "must be letters, digits, '-', '_' and '.'" };

/// An image with its registry spelt out.
pub(crate) const IMAGE: Shape = Shape {
    pattern: concat!(
        r"^([a-zA-Z0-9]([-a-zA-Z0-9.]*[a-zA-Z0-9])?|\[[0-9a-fA-F:]+\])(:[0-9]{1,5})?",
        r"(/[a-z0-9]+([._-]+[a-z0-9]+)*)+(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(@sha256:[a-f0-9]{64})?$"
    ),
    message: "must be registry/repository with :tag or @sha256:digest, such as \
              registry.example/acme/weather:1.0",
};

/// An interface of a package, perhaps with its version.
pub(crate) const INTERFACE: Shape = Shape {
    pattern: concat!(
        "^[a-zA-Z][-a-zA-Z0-9]*:[a-zA-Z][-a-zA-Z0-9]*/[a-zA-Z][-a-zA-Z0-9]*",
        r"(@[0-9]+\.[0-9]+\.[0-9]+([-+][-+.a-zA-Z0-9]*)?)?$"
    ),
    message: "must be namespace:package/interface, perhaps with @version, such as acme:clock/now@0.1.0",
};

/// A variable's name.
pub(crate) const ENV_NAME: Shape = Shape {
    pattern: "^[A-Za-z_][A-Za-z0-9_.-]*$",
    message: "must be letters, digits, '_', '.' and '-', not starting with a digit, '.' or '-'",
};

/// A prefix of variables' names.
pub(crate) const ENV_PREFIX: Shape = Shape {
    pattern: "^([A-Za-z_][A-Za-z0-9_.-]*)?$",
    message: "must be letters, digits, '_', '.' and '-', not starting with a digit, '.' or '-'",
};

/// A pod field that a variable can take.
pub(crate) const ENV_FIELD: Shape = Shape {
    pattern: concat!(
        r"^(metadata\.(name|namespace|uid)|metadata\.(labels|annotations)\['[^']{1,317}'\]",
        r"|spec\.(nodeName|serviceAccountName)|status\.(podIP|podIPs|hostIP|hostIPs))$"
    ),
    message: "must be metadata.name, .namespace, .uid, .labels['KEY'], .annotations['KEY'], spec.nodeName, \
              spec.serviceAccountName, status.podIP, .podIPs, .hostIP or .hostIPs",
};

/// A pod field that a file can take.
pub(crate) const FILE_FIELD: Shape = Shape {
    pattern: r"^metadata\.(name|namespace|uid|(labels|annotations)(\['[^']{1,317}'\])?)$",
    message: "must be metadata.name, .namespace, .uid, .labels, .annotations, .labels['KEY'] or \
              .annotations['KEY']",
};

/// An absolute, normal path.
pub(crate) const GUEST_PATH: Shape = Shape {
    pattern: concat!(
        r"^/(([^/:.\p{Cc}][^/:\p{Cc}]*|\.[^/:.\p{Cc}][^/:\p{Cc}]*|\.\.[^/:\p{Cc}]+)",
        r"(/([^/:.\p{Cc}][^/:\p{Cc}]*|\.[^/:.\p{Cc}][^/:\p{Cc}]*|\.\.[^/:\p{Cc}]+))*)?$"
    ),
    message: "must be an absolute path without '.', '..' or empty parts, without ':' and control characters, \
              and without '/' at its end",
};

/// A relative, normal path.
pub(crate) const FILE_PATH: Shape = Shape {
    pattern: concat!(r"^([^/:.][^/:]*|\.[^/:.][^/:]*)", r"(/([^/:.][^/:]*|\.[^/:.][^/:]*|\.\.[^/:]+))*$"),
    message: "must be a relative path without '.', '..' or empty parts, not starting with '..', without ':'",
};

/// A relative, normal path of a directory.
pub(crate) const SUB_PATH: Shape = Shape {
    pattern: concat!(
        r"^([^/:.\p{Cc}][^/:\p{Cc}]*|\.[^/:.\p{Cc}][^/:\p{Cc}]*|\.\.[^/:\p{Cc}]+)",
        r"(/([^/:.\p{Cc}][^/:\p{Cc}]*|\.[^/:.\p{Cc}][^/:\p{Cc}]*|\.\.[^/:\p{Cc}]+))*$"
    ),
    message: "must be a relative path without '.', '..' or empty parts, without ':' and control characters",
};

/// A URL's path.
pub(crate) const URL_PATH: Shape = Shape {
    pattern: "^/[!#-~]*$",
    message: "must start with '/' and have no spaces, quotes or control characters",
};

/// A quantity, zero or above, without exponents.
pub(crate) const QUANTITY: Shape = Shape {
    pattern: r"^[0-9]+(\.[0-9]{1,3})?(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$",
    message: "must be digits and perhaps one of m, k, M, G, T, P, E, Ki, Mi, Gi, Ti, Pi, Ei, such as 64Mi",
};

/// A name of the IANA time zone database.
pub(crate) const TIME_ZONE: Shape = Shape {
    pattern: "^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}$",
    message: "must be a name of the IANA time zone database, such as Etc/UTC",
};

/// A qualified key: a name with an optional DNS prefix.
pub(crate) const QUALIFIED_KEY: Shape = Shape {
    pattern: "^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$",
    message: "a key is a name of at most 63 letters, digits, '-', '_' and '.', after an optional DNS prefix \
              and '/'",
};

/// A label's value.
pub(crate) const LABEL_VALUE: Shape = Shape {
    pattern: "^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$",
    message: "must be empty, or letters, digits, '-', '_' and '.', starting and ending with a letter or \
              digit",
};

/// What a host may look like, as alternatives of a regular expression.
macro_rules! host {
    () => {
        concat!(
            r"(\*\.)?([a-z0-9]([-a-z0-9]*[a-z0-9])?\.)+[a-z]([-a-z0-9]*[a-z0-9])?",
            r"|((25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])\.){3}",
            r"(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])",
            r"|\[[0-9a-f:.]{2,45}\]"
        )
    };
}

/// A host of a rule: a DNS name of two labels or more, such a name below `*.`, or an address. The last label
/// starts with a letter, so that no spelling of an address is taken for a name.
pub(crate) const HOST: Shape = Shape {
    pattern: concat!("^(", host!(), ")$"),
    message: "must be a lower-case DNS name with a dot, *. and a suffix of two labels or more, an IPv4 \
              address, or an IPv6 address in brackets; names of other scripts as xn--",
};

/// A host of a ceiling: the same, or all.
pub(crate) const HOST_CEILING: Shape = Shape {
    pattern: concat!(r"^(\*|", host!(), ")$"),
    message: "must be *, a lower-case DNS name with a dot, *. and a suffix of two labels or more, an IPv4 \
              address, or an IPv6 address in brackets",
};

/// The beginning of an image: its registry and a slash at least, so that no port can follow; no part is cut.
pub(crate) const IMAGE_PREFIX: Shape = Shape {
    pattern: concat!(
        r"^([a-zA-Z0-9]([-a-zA-Z0-9.]*[a-zA-Z0-9])?|\[[0-9a-fA-F:]+\])(:[0-9]{1,5})?/",
        r"([a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*",
        r"(/|(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(@sha256:[a-f0-9]{64})?))?$"
    ),
    message: "must be a registry with a slash, and perhaps a repository, a tag and a digest, such as \
              registry.example/acme",
};

/// A network.
pub(crate) const CIDR: Shape = Shape {
    pattern: r"^([0-9]{1,3}(\.[0-9]{1,3}){3}/[0-9]{1,2}|[0-9a-f:.]{2,45}/[0-9]{1,3})$",
    message: "must be a network as CIDR, such as 10.96.0.0/12",
};

/// The beginning of a normalised path.
pub(crate) const PATH_PREFIX: Shape = Shape {
    pattern: r"^(/\.{0,2}[A-Za-z0-9_~!$&'()*+,=:@-][A-Za-z0-9._~!$&'()*+,=:@-]*)*/?$",
    message: "must be a path that starts with '/', without '.', '..' or empty parts, and without '%', ';', \
              '?', '#' and quotes",
};

/// Name of a header (RFC 9110).
pub(crate) const HEADER: Shape = Shape {
    pattern: "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$",
    message: "must be a header's name: letters, digits and -",
};

/// What can stand in a header: printable ASCII.
pub(crate) const HEADER_VALUE: Shape =
    Shape { pattern: "^[ !#-~]*$", message: "must be printable ASCII without quotes" };

/// A key of `wasi:config/store`.
pub(crate) const CONFIG_KEY: Shape =
    Shape { pattern: "^[-._/a-zA-Z0-9]+$", message: "must be letters, digits, '-', '_', '.' and '/'" };

/// A point of time in UTC (RFC 3339).
pub(crate) const TIMESTAMP: Shape = Shape {
    pattern: concat!(
        r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])",
        r"T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?Z$"
    ),
    message: "must be a time in UTC, such as 2026-01-01T00:00:00Z",
};

/// A list of numbers or names, ranges and steps of them: one field of a cron line.
macro_rules! cron_field {
    (one $($unit:literal),+) => {
        concat!(r"(\*|\?|(", $($unit),+, ")(-(", $($unit),+, "))?)(/[1-9][0-9]{0,2})?")
    };
    ($($unit:literal),+) => {
        concat!(cron_field!(one $($unit),+), "(,", cron_field!(one $($unit),+), ")*")
    };
}

/// Five cron fields, or a named interval, as the CronJob controller reads them.
pub(crate) const SCHEDULE: Shape = Shape {
    pattern: concat!(
        "^(@(yearly|annually|monthly|weekly|daily|midnight|hourly)|",
        cron_field!("[0-5]?[0-9]"),
        " +",
        cron_field!("[01]?[0-9]|2[0-3]"),
        " +",
        cron_field!("0?[1-9]|[12][0-9]|3[01]"),
        " +",
        cron_field!(
            "0?[1-9]|1[0-2]",
            "|[jJ][aA][nN]|[fF][eE][bB]|[mM][aA][rR]|[aA][pP][rR]|[mM][aA][yY]|[jJ][uU][nN]",
            "|[jJ][uU][lL]|[aA][uU][gG]|[sS][eE][pP]|[oO][cC][tT]|[nN][oO][vV]|[dD][eE][cC]"
        ),
        " +",
        cron_field!(
            "[0-6]|[sS][uU][nN]|[mM][oO][nN]|[tT][uU][eE]",
            "|[wW][eE][dD]|[tT][hH][uU]|[fF][rR][iI]|[sS][aA][tT]"
        ),
        ")$"
    ),
    message: "must be five cron fields (minute, hour, day of month, month, day of week from 0 for Sunday to \
              6), such as \"*/5 * * * *\", or @hourly, @daily, @weekly, @monthly, @yearly; the zone goes in \
              timeZone",
};

#[cfg(test)]
mod tests;
