//! Which tokens were asked about, and who pays for asking again: pure bookkeeping over times that are handed
//! in.

use super::judge::NoAgent;
use super::ledger::NODES_MAX;
use lru::LruCache;
use sha2::{Digest as _, Sha256};
use std::num::NonZeroUsize;

/// How long an answer about a token is believed, in milliseconds: one that was revoked is noticed after that.
pub const BELIEVED_MS: u64 = 60_000;

/// Tokens remembered that are no agent's. They have a place of their own, so that guesses don't push agents'
/// tokens out.
pub const STRANGERS_MAX: NonZeroUsize = NonZeroUsize::MIN.saturating_add(4_095);

/// Whose share the looks at unknown tokens are: nobody's yet. No node has an empty name.
pub const NOBODY: &str = "";

/// What a token is remembered by: its hash.
type Key = [u8; 32];

/// Tokens that were asked about.
#[derive(Debug)]
pub struct Tokens {
    agents: LruCache<Key, (u64, String)>,
    strangers: LruCache<Key, (u64, NoAgent)>,
}

/// What is known of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    /// The agent of this node has it.
    Node(String),
    /// It is no agent's.
    NoAgent(NoAgent),
    /// The API server is to be asked; the look is of this node's share: of the one that the token was good
    /// for before, so that nobody else's guesses shut an agent out.
    Ask {
        /// The node, or [`NOBODY`].
        share: String,
    },
}

impl Default for Tokens {
    fn default() -> Self {
        Self { agents: LruCache::new(NODES_MAX), strangers: LruCache::new(STRANGERS_MAX) }
    }
}

impl Tokens {
    /// What is known of a token at this time.
    pub fn known(&mut self, token: &str, now_ms: u64) -> Known {
        let key = key(token);
        let fresh = |since: u64| now_ms.saturating_sub(since) < BELIEVED_MS;
        match (self.agents.get(&key), self.strangers.get(&key)) {
            (Some((since, node)), _) if fresh(*since) => Known::Node(node.clone()),
            (Some((_, node)), _) => Known::Ask { share: node.clone() },
            (None, Some((since, no_agent))) if fresh(*since) => Known::NoAgent(*no_agent),
            (None, _) => Known::Ask { share: NOBODY.to_owned() },
        }
    }

    /// Remembers what the API server's answer came to.
    pub fn learn(&mut self, token: &str, answer: &Result<String, NoAgent>, now_ms: u64) {
        let key = key(token);
        match answer {
            Ok(node) => {
                self.strangers.pop(&key);
                self.agents.put(key, (now_ms, node.clone()));
            }
            Err(no_agent) => {
                self.agents.pop(&key);
                self.strangers.put(key, (now_ms, *no_agent));
            }
        }
    }
}

fn key(token: &str) -> Key {
    Sha256::digest(token).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const REVOKED: NoAgent = NoAgent::Unauthenticated;

    fn node(name: &str) -> Result<String, NoAgent> {
        Ok(name.to_owned())
    }

    fn ask(share: &str) -> Known {
        Known::Ask { share: share.to_owned() }
    }

    #[test]
    fn an_answer_is_believed_for_its_time_and_a_node_pays_for_the_next_look_at_its_token() {
        let mut tokens = Tokens::default();
        assert_eq!(tokens.known("a", 5), ask(NOBODY));
        tokens.learn("a", &node("n1"), 5);
        assert_eq!(tokens.known("a", 4 + BELIEVED_MS), Known::Node("n1".into()));
        assert_eq!(tokens.known("a", 5 + BELIEVED_MS), ask("n1"));
        tokens.learn("a", &node("n1"), 5 + BELIEVED_MS);
        assert_eq!(tokens.known("a", 6 + BELIEVED_MS), Known::Node("n1".into()));
        assert_eq!(tokens.known("b", 5), ask(NOBODY), "another token says nothing of whose it is");
    }

    #[test]
    fn a_token_that_is_no_agents_any_more_is_no_nodes_share() {
        let mut tokens = Tokens::default();
        tokens.learn("a", &node("n1"), 0);
        tokens.learn("a", &Err(REVOKED), BELIEVED_MS);
        assert_eq!(tokens.known("a", BELIEVED_MS + 1), Known::NoAgent(REVOKED));
        assert_eq!(tokens.known("a", 2 * BELIEVED_MS), ask(NOBODY));
        tokens.learn("a", &node("n2"), 2 * BELIEVED_MS);
        assert_eq!(tokens.known("a", 2 * BELIEVED_MS), Known::Node("n2".into()));
    }

    #[test]
    fn guesses_push_no_agents_token_out_and_memory_has_an_end() {
        let mut tokens = Tokens::default();
        tokens.learn("agent", &node("n1"), 0);
        for n in 0..20_000 {
            tokens.learn(&format!("guess {n}"), &Err(REVOKED), 0);
        }
        assert_eq!(tokens.known("agent", 1), Known::Node("n1".into()));
        assert_eq!(tokens.strangers.len(), STRANGERS_MAX.get());
        for n in 0..20_000 {
            tokens.learn(&format!("agent {n}"), &node("n"), 0);
        }
        assert_eq!(tokens.agents.len(), NODES_MAX.get());
    }
}
