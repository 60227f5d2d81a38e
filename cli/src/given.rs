//! What files have that bears on what services become: the services themselves, and their classes.

use flotilla_crds::{
    GROUP,
    v1alpha1::{Microservice, MicroserviceClass},
};
use flotilla_operator::microservice::dereference::{ClassOf, Observed};
use kube::ResourceExt as _;

use crate::{
    Error,
    args::Files,
    input::{self, Document},
    output::Terminal,
    schema::Schema,
};

/// The objects of files.
pub struct Given {
    /// `Microservice` objects.
    pub microservices: Vec<Document>,
    /// `MicroserviceClass` objects.
    pub classes: Vec<Document>,
    /// `TrafficPolicy` objects, which are checked and become nothing else.
    pub policies: Vec<Document>,
}

impl Given {
    /// Reads the files. Objects of other kinds are named and left out.
    pub fn read(files: &Files, terminal: &mut Terminal<'_>) -> Result<Self, Error> {
        let mut given = Self { microservices: Vec::new(), classes: Vec::new(), policies: Vec::new() };
        for document in input::documents(&files.files)? {
            if document.is(GROUP, "Microservice") {
                given.microservices.push(document);
            } else if document.is(GROUP, "MicroserviceClass") {
                given.classes.push(document);
            } else if document.is(GROUP, "TrafficPolicy") {
                given.policies.push(document);
            } else {
                terminal.say(&format!(
                    "{}: {} is left out: it is neither a Microservice nor a MicroserviceClass or TrafficPolicy",
                    document.place,
                    document.title()
                ))?;
            }
        }
        Ok(given)
    }

    /// Fails when there is no service.
    pub fn with_services(self, files: &Files) -> Result<Self, Error> {
        if self.microservices.is_empty() {
            return Err(empty(files));
        }
        Ok(self)
    }

    /// The classes, checked.
    pub fn classes(&self) -> Result<Classes, Error> {
        if self.classes.is_empty() {
            return Ok(Classes(Vec::new()));
        }
        let schema = Schema::of_class()?;
        let read = |document: &Document| schema.read_class(document);
        Ok(Classes(self.classes.iter().map(read).collect::<Result<_, _>>()?))
    }
}

/// Says that the files have no service.
pub fn empty(files: &Files) -> Error {
    Error::Empty {
        path: files.files.iter().map(|path| input::shown(path)).collect::<Vec<_>>().join(", "),
        wanted: "Microservice",
        advice: "write apiVersion: flotilla.dev/v1alpha1 and kind: Microservice",
    }
}

/// The classes that files have.
pub struct Classes(Vec<MicroserviceClass>);

impl Classes {
    /// What is known of a service without a cluster: its class, if the files have it.
    pub fn observed(&self, microservice: &Microservice) -> Observed {
        let named = microservice.spec.class_name.as_deref();
        let class = if self.0.is_empty() { ClassOf::default() } else { ClassOf::find(&self.0, named) };
        Observed { class, ..Observed::default() }
    }

    /// What a reader must know of the class of a service, if anything.
    pub fn remark(&self, microservice: &Microservice) -> Option<String> {
        let named = microservice.spec.class_name.as_ref().filter(|_| self.0.is_empty())?;
        Some(format!(
            "{}: the class {named:?} is not among the files, so its defaults and limits are not known: add it with -f",
            microservice.name_any()
        ))
    }
}
