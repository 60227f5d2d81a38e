// Composes subgraphs into one graph, as the router in front of them does, and holds the queries in `queries.graphql`
// against what they make.
//
//     node compose.js NAME=SCHEMA...
//
// Composition fails when two subgraphs say different things of one type, and when there is a way to ask for a field that no
// subgraph can be led to: whatever query fits the composed graph can be answered. What it cannot tell is that a way between two
// subgraphs has gone, with the graph still whole without it; that is what the queries are for.

import { readFileSync } from "node:fs";
import { composeServices } from "@theguild/federation-composition";
import { buildASTSchema, parse, validate } from "graphql";

const services = process.argv.slice(2).map((subgraph) => {
  const [, name, path] = /^([^=]+)=(.+)$/.exec(subgraph);
  return { name, url: `http://${name}/graphql`, typeDefs: parse(readFileSync(path, "utf8")) };
});

const fail = (what, errors) => {
  // One key that is missing closes the way to very many fields.
  const shown = errors.slice(0, 5).map((error) => `- ${error.message}`);
  const more = errors.length > shown.length ? [`- and ${errors.length - shown.length} more`] : [];
  console.error([what, ...shown, ...more].join("\n"));
  process.exit(1);
};

const { errors, publicDocumentNode } = composeServices(services);
if (errors) {
  fail("The subgraphs do not make one graph:", errors);
}

const graph = buildASTSchema(publicDocumentNode);
const asked = parse(readFileSync(new URL("queries.graphql", import.meta.url), "utf8"));
const refused = validate(graph, asked);
if (refused.length > 0) {
  fail("The graph that the subgraphs make does not have what queries.graphql asks for:", refused);
}
const types = Object.keys(graph.getTypeMap()).filter((name) => !name.startsWith("__")).length;
console.log(`${services.length} subgraphs make one graph of ${types} types`);
