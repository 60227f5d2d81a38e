//! Why a command could not do what it was asked for. Each message says what to do.

use std::io;

/// Why a command could not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file as it was named.
        path: String,
        /// Why not.
        source: io::Error,
    },
    /// A file is not YAML.
    #[error("{path} is not YAML: {message}")]
    Yaml {
        /// The file as it was named.
        path: String,
        /// Where and why.
        message: String,
    },
    /// A file has nothing to work on.
    #[error("{path} has no {wanted}: {advice}")]
    Empty {
        /// The file as it was named.
        path: String,
        /// What was looked for.
        wanted: &'static str,
        /// What to do.
        advice: &'static str,
    },
    /// An object is not what it says to be.
    #[error("{place}: {message}")]
    Invalid {
        /// Which object.
        place: String,
        /// What is wrong, with the field.
        message: String,
    },
    /// The definitions of this build cannot be used: a defect.
    #[error("the definitions in this program cannot be used, which is a defect: please report it: {0}")]
    Definition(String),
    /// Something cannot be written in the wanted form: a defect.
    #[error("cannot write the answer, which is a defect: please report it: {0}")]
    Format(String),
    /// Standard output or standard error is gone.
    #[error("cannot write: {0}")]
    Output(#[from] io::Error),
    /// There is no cluster to talk to.
    #[error("no cluster to talk to: {0}; set KUBECONFIG, or name a file with --kubeconfig")]
    Kubeconfig(String),
    /// The API server, or the way to it, failed.
    #[error("cannot {what}: {}", reason(source))]
    Api {
        /// What was tried.
        what: String,
        /// What happened.
        source: Box<kube::Error>,
    },
    /// The object does not exist.
    #[error("there is no {kind} {name:?} in namespace {namespace:?}: {advice}")]
    NotFound {
        /// Its kind.
        kind: String,
        /// Its name.
        name: String,
        /// Where it was looked for.
        namespace: String,
        /// What to do.
        advice: String,
    },
    /// An argument is not one.
    #[error("{0}")]
    Usage(String),
    /// It took too long.
    #[error("{0}")]
    Timeout(String),
}

impl Error {
    /// For `map_err`: what was tried when the API server refused.
    pub fn api(what: impl Into<String>) -> impl FnOnce(kube::Error) -> Self {
        move |source| Self::Api { what: what.into(), source: Box::new(source) }
    }

    /// Whether whoever reads the output has gone, as `head` does.
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

/// The words of the API server when it answered, and otherwise those of the error and its causes.
fn reason(error: &kube::Error) -> String {
    if let kube::Error::Api(status) = error {
        return status.message.clone();
    }
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let said = cause.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        source = cause.source();
    }
    text
}
