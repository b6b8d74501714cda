//! Tokens (the distribution project's token specification): asks a realm that the caller has checked.
//! What it says is used as a header or not at all; nothing of it reaches a message.

use super::connection::Transport;
use super::{Access, Answer};
use crate::credentials::Credentials;
use crate::error::Error;
use crate::reference::Repository;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Method, StatusCode, Url};
use serde::Deserialize;

/// Largest answer of a realm read, in bytes; tokens with many rights have some 10,000.
const TOKEN_ANSWER_BYTES_MAX: u64 = 64 << 10;

/// What a token is asked for.
pub(crate) struct Asked<'a> {
    pub(crate) service: Option<String>,
    pub(crate) repository: &'a Repository,
    pub(crate) access: Access,
}

/// What a realm gave.
pub(crate) enum Given {
    /// The header to send.
    Token(HeaderValue),
    /// It doesn't give one out for these credentials.
    Refused,
    /// No token and no refusal; what is wrong with that.
    Nothing(&'static str),
}

#[derive(Deserialize)]
struct TokenAnswer {
    #[serde(default)]
    token: Option<String>,
    #[serde(default)]
    access_token: Option<String>,
}

/// Asks `realm` for a token. It gets the registry's credentials: it is the registry's own host, or one
/// that was listed.
pub(crate) async fn fetch(
    transport: &Transport,
    mut realm: Url,
    asked: &Asked<'_>,
    credentials: Option<&Credentials>,
) -> Result<Given, Error> {
    let actions = match asked.access {
        Access::Pull => "pull",
        Access::PullAndPush => "pull,push",
    };
    if let Some(service) = &asked.service {
        realm.query_pairs_mut().append_pair("service", service);
    }
    let scope = format!("repository:{}:{actions}", asked.repository.path());
    realm.query_pairs_mut().append_pair("scope", &scope);
    let request = super::Request::new(Method::GET, realm.clone(), String::new());
    let mut request = request.build(transport.http(), realm.clone());
    if let Some(credentials) = credentials {
        request = request.header(AUTHORIZATION, basic(credentials)?);
    }
    let response = transport.execute(request, &realm).await?;
    match response.status() {
        StatusCode::OK => {}
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => return Ok(Given::Refused),
        status if crate::error::is_transient_status(status.as_u16()) => {
            let registry = super::connection::authority(&realm);
            return Err(Error::Status { registry, what: "a token".to_owned(), status: status.as_u16() });
        }
        _ => return Ok(Given::Nothing("its token realm gives no token")),
    }
    let answer = Answer::read(response, TOKEN_ANSWER_BYTES_MAX).await?;
    Ok(answer
        .whole_body()
        .as_deref()
        .and_then(header_of)
        .map_or(Given::Nothing("its token realm's answer holds no token"), Given::Token))
}

fn header_of(body: &[u8]) -> Option<HeaderValue> {
    let answer: TokenAnswer = serde_json::from_slice(body).ok()?;
    let token = answer.token.or(answer.access_token).filter(|token| !token.is_empty())?;
    secret(&format!("Bearer {token}"))
}

/// The header for a user name and a password.
pub(crate) fn basic(credentials: &Credentials) -> Result<HeaderValue, Error> {
    let pair = STANDARD.encode(format!("{}:{}", credentials.username, credentials.password));
    secret(&format!("Basic {pair}")).ok_or_else(|| Error::Setup("credentials make no header".into()))
}

fn secret(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests;
