//! A tree as text and as a graph.

use super::Node;
use crate::output::{Paint, add, table};

/// The tree for people.
pub fn text(root: &Node, paint: Paint) -> String {
    let mut lines = Vec::new();
    walk(root, "", "", &mut lines);
    let mut rows = vec![["OBJECT", "READY", "STATUS"].map(str::to_owned).to_vec()];
    rows.extend(lines.iter().map(|(branch, node)| {
        let ready = node.ready.map_or("-", |ready| if ready { "True" } else { "False" });
        vec![format!("{branch}{}/{}", node.kind, node.name), ready.to_owned(), node.status.clone()]
    }));
    table(&rows, |row, column, cell| match (row, column, cell) {
        (0, ..) => paint.strong(cell),
        (_, 1, "True") => paint.good(cell),
        (_, 1, "False") => paint.bad(cell),
        _ => cell.to_owned(),
    })
}

/// Adds a node and what belongs to it. `branch` stands before the node, `below` before what belongs to it.
fn walk<'a>(node: &'a Node, branch: &str, below: &str, lines: &mut Vec<(String, &'a Node)>) {
    lines.push((branch.to_owned(), node));
    for (index, child) in node.children.iter().enumerate() {
        let is_last = index + 1 == node.children.len();
        let (corner, bar) = if is_last { ("└── ", "    ") } else { ("├── ", "│   ") };
        walk(child, &format!("{below}{corner}"), &format!("{below}{bar}"), lines);
    }
}

/// The tree in the language of Graphviz.
pub fn dot(root: &Node) -> String {
    let mut text = "digraph microservice {\n  rankdir=LR;\n  node [shape=box, style=rounded];\n".to_owned();
    nodes(root, &mut text);
    text.push_str("}\n");
    text
}

fn nodes(node: &Node, text: &mut String) {
    let id = |node: &Node| format!("\"{}/{}\"", node.kind, node.name);
    let colour = match node.ready {
        Some(true) => ", color=green",
        Some(false) => ", color=red",
        None => "",
    };
    // `Debug` escapes quotes and backslashes in the way that Graphviz reads.
    let label = format!("{}\\n{}", node.kind, node.name);
    add(text, format_args!("  {} [label=\"{label}\", tooltip={:?}{colour}];\n", id(node), node.status));
    for child in &node.children {
        nodes(child, text);
        add(text, format_args!("  {} -> {};\n", id(node), id(child)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::tests::example;

    #[test]
    fn as_text() {
        insta::assert_snapshot!(text(&example(), Paint::default()));
    }

    #[test]
    fn as_a_graph() {
        insta::assert_snapshot!(dot(&example()));
    }

    #[test]
    fn as_json() {
        insta::assert_snapshot!(crate::output::json_text(&example()).unwrap());
    }
}
