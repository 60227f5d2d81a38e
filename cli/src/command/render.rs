//! `render`: the objects that a `Microservice` becomes, without a cluster.

use clap::Args;
use serde_json::Value;

use crate::{
    Answer, Error,
    args::{Files, Global},
    desired::{complete, desired},
    given::{Classes, Given},
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
    let given = Given::read(&arguments.files, terminal)?.with_services(&arguments.files)?;
    let namespace = global.namespace.as_deref().unwrap_or("default");
    let (objects, remarks) = objects(&given.microservices, &given.classes()?, namespace)?;
    for remark in remarks {
        terminal.say(&remark)?;
    }
    terminal.data(&output::objects(arguments.output, &objects)?)?;
    Ok(Answer::Yes)
}

/// The objects that these documents become in a cluster that has nothing yet, and what is to be said of them.
pub fn objects(
    documents: &[Document],
    classes: &Classes,
    namespace: &str,
) -> Result<(Vec<Value>, Vec<String>), Error> {
    let schema = Schema::of_microservice()?;
    let (mut objects, mut remarks) = (Vec::new(), Vec::new());
    for document in documents {
        let mut microservice = schema.read(document)?;
        complete(&mut microservice, namespace);
        let rendered = desired(&microservice, &classes.observed(&microservice))
            .map_err(|error| Error::Invalid { place: document.place.clone(), message: error.to_string() })?;
        remarks.extend(classes.remark(&microservice));
        let unmet = rendered.unmet.iter().map(|unmet| unmet.message.clone());
        let waits = rendered.waits.iter().map(|wait| wait.message.clone());
        remarks.extend(unmet.chain(waits).map(|message| format!("{}: {message}", document.place)));
        objects.extend(rendered.objects.into_iter().map(|object| object.manifest));
    }
    Ok((objects, remarks))
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

    fn all(text: &str, namespace: &str) -> Result<(Vec<Value>, Vec<String>), Error> {
        let (classes, microservices) = input::parse("hello.yaml", text)?
            .into_iter()
            .partition(|document| document.is("flotilla.dev", "MicroserviceClass"));
        let given = Given { microservices, classes, policies: Vec::new() };
        objects(&given.microservices, &given.classes()?, namespace)
    }

    fn rendered(text: &str, namespace: &str) -> Result<String, Error> {
        output::objects(Form::Yaml, &all(text, namespace)?.0)
    }

    /// What is in the objects is the operator's matter, and held by its own golden files.
    #[test]
    fn the_service_of_the_readme() {
        let (objects, remarks) = all(HELLO, "shop").unwrap();
        assert_eq!(remarks, [""; 0]);
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

    /// Without a cluster, the files have all that is known.
    #[test]
    fn a_class_among_the_files_counts() {
        let class = "
apiVersion: flotilla.dev/v1alpha1
kind: MicroserviceClass
metadata: {name: small}
spec: {resources: {requests: {memory: 16Mi}}}
---";
        let named = HELLO.replace("spec:", "spec:\n  className: small");
        let (objects, _) = all(&format!("{class}{named}"), "shop").unwrap();
        let deployment = objects.iter().find(|object| object["kind"] == "Deployment").unwrap();
        let limit = &deployment["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["memory"];
        assert_eq!(limit, "16Mi");
        let error = all(&format!("{class}{}", named.replace("className: small", "className: huge")), "shop");
        assert!(error.unwrap_err().to_string().contains("there is no MicroserviceClass \"huge\""));
        let (_, remarks) = all(&named, "shop").unwrap();
        assert!(remarks[0].contains("the class \"small\" is not among the files"), "{remarks:?}");
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
