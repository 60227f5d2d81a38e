//! The subgraphs of the shop, composed into the one graph that a router in front of them serves.
//!
//! Each is renewed and held by its own service; only together they tell whether what one refers to is there in another. How
//! they are composed, and the queries that they are held against, is in `tools/composition`.

use std::process::Command;

use anyhow::{Context, Result};

use crate::npm::Node;
use crate::{process, progress, workspace_root};

/// The composer, pinned by its lockfile.
const FOLDER: &str = "tools/composition";

/// Fails when they make no graph, or one that lacks what is asked of it.
pub(super) fn hold(services: &[&str]) -> Result<()> {
    let node = Node::find()?;
    let folder = node.install(FOLDER, &["compose.js", "queries.graphql"])?;
    let mut command = Command::new(&node.program);
    command.current_dir(workspace_root()).arg(folder.join("compose.js"));
    command.args(services.iter().map(|service| format!("{service}=services/{service}/schema.graphql")));
    let said = progress::during("Composing the subgraphs", || process::output(&mut command))
        .context("the subgraphs of the shop do not fit together")?;
    println!("{}", said.trim_end());
    Ok(())
}
