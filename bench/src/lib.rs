//! Every figure of Morph's performance, with its peers in the same run. A row is one piece of work; its
//! sides take turns; the report says what became of its targets. A tool for people and for tests, never
//! shipped.

pub mod cluster;
pub mod composition;
pub mod cri;
pub mod load;
pub mod loopback;
pub mod node;
pub mod page;
pub mod plot;
pub mod pod;
pub mod process;
pub mod programs;
pub mod record;
pub mod report;
pub mod rounds;
pub mod rows;
pub mod samples;
pub mod shim;
pub mod target;
pub mod unit;
