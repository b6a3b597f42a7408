//! Which nodes a setting is about.

use super::Selector;
use std::str::FromStr;
use std::sync::Arc;

/// `off`, `all`, or an expression over a node.
#[derive(Debug, Clone, Default)]
pub enum Which {
    /// None.
    #[default]
    Off,
    /// All machines, those too that nobody knows yet.
    All,
    /// Nodes for which it holds; a machine that nobody knows is none of them.
    Where(Arc<Selector>),
}

impl FromStr for Which {
    type Err = super::SelectError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text.trim() {
            "off" => Self::Off,
            "all" => Self::All,
            expression => Self::Where(Arc::new(Selector::compile(expression)?)),
        })
    }
}
