//! `render`: the objects that a `Microservice` becomes, without a cluster.

use clap::Args;
use flotilla_operator::microservice::dereference::Observed;
use serde_json::Value;

use crate::{
    Answer, Error,
    args::{Files, Global},
    desired::{complete, desired},
    input::Document,
    output::{self, Form, Terminal},
    schema::Schema,
};

/// Arguments of `render`.
#[derive(Args, Clone, Debug)]
pub struct Arguments {
    #[command(flatten)]
    files: Files,

    /// Form of the objects
    #[arg(short, long, default_value = "yaml")]
    output: Form,
}

/// Renders what the files have.
pub fn run(arguments: &Arguments, global: &Global, terminal: &mut Terminal<'_>) -> Result<Answer, Error> {
    let documents = super::microservices(&arguments.files, terminal)?;
    let namespace = global.namespace.as_deref().unwrap_or("default");
    let objects = objects(&documents, namespace)?;
    terminal.data(&output::objects(arguments.output, &objects)?)?;
    Ok(Answer::Yes)
}

/// The objects that these documents become in a cluster that has nothing yet.
pub fn objects(documents: &[Document], namespace: &str) -> Result<Vec<Value>, Error> {
    let schema = Schema::of_microservice()?;
    let mut objects = Vec::new();
    for document in documents {
        let mut microservice = schema.read(document)?;
        complete(&mut microservice, namespace);
        let rendered = desired(&microservice, &Observed::default())
            .map_err(|error| Error::Invalid { place: document.place.clone(), message: error.to_string() })?;
        objects.extend(rendered.objects.into_iter().map(|object| object.manifest));
    }
    Ok(objects)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input;

    const HELLO: &str = r"
apiVersion: flotilla.dev/v1alpha1
kind: Microservice
metadata: {name: hello}
spec:
  image: ghcr.io/stefanprodan/podinfo:6.9.2
  ports: [{name: http, port: 9898, protocol: HTTP}]
";

    fn rendered(text: &str, namespace: &str) -> Result<String, Error> {
        output::objects(Form::Yaml, &objects(&input::parse("hello.yaml", text)?, namespace)?)
    }

    /// What is in the objects is the operator's matter, and held by its own golden files.
    #[test]
    fn the_service_of_the_readme() {
        let objects = objects(&input::parse("hello.yaml", HELLO).unwrap(), "shop").unwrap();
        let titles: Vec<_> = objects.iter().map(|object| object["kind"].as_str().unwrap()).collect();
        assert_eq!(
            titles,
            ["ServiceAccount", "MicroserviceRevision", "NetworkPolicy", "Service", "Deployment"]
        );
        for object in &objects {
            assert_eq!(object["metadata"]["namespace"], "shop");
            assert_eq!(object["metadata"]["ownerReferences"][0]["uid"], crate::desired::PLACEHOLDER_UID);
        }
    }

    #[test]
    fn the_namespace_of_the_object_wins() {
        let text = HELLO.replace("name: hello", "name: hello, namespace: there");
        assert!(!rendered(&text, "here").unwrap().contains("namespace: here"));
    }

    #[test]
    fn what_the_operator_refuses_is_an_error_with_the_field() {
        let text = HELLO.replace("  ports:", "  resources: {requests: {cpu: 2}, limits: {cpu: 1}}\n  ports:");
        let error = rendered(&text, "shop").unwrap_err().to_string();
        assert!(
            error.starts_with("hello.yaml: spec.resources.requests.cpu (2) is more than its limit"),
            "{error}"
        );
    }

    #[test]
    fn what_the_api_server_refuses_is_not_rendered() {
        let error = rendered(&HELLO.replace("port: 9898", "port: 0"), "shop").unwrap_err().to_string();
        assert_eq!(error, "hello.yaml: spec.ports[0].port: must be at least 1, not 0");
    }
}
