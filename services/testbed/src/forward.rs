//! A port of this machine that leads into a cluster.

use std::{
    io::{self, BufRead, BufReader, Read},
    net::SocketAddr,
    process::{Child, ChildStdout, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use crate::{Error, machine, port};

/// How long to wait until what has ended is started again.
const PAUSE: Duration = Duration::from_millis(200);

/// A port of this machine that leads to one of a Service, until it is dropped. The pod that it leads to may go: it leads to
/// another one then.
#[derive(Debug)]
pub struct Forward {
    address: SocketAddr,
    /// Nothing once it has been dropped.
    kubectl: Arc<Mutex<Option<Child>>>,
}

impl Forward {
    /// To a port of a Service. `kubectl` makes a command that knows the cluster and the namespace.
    pub fn to(
        kubectl: impl Fn() -> Command + Send + 'static,
        service: &str,
        port: u16,
    ) -> Result<Self, Error> {
        let address = port::free()?;
        let arguments = [format!("service/{service}"), format!("{}:{port}", address.port())];
        let start = move || {
            let mut command = kubectl();
            command.args(["port-forward", "--address=127.0.0.1"]).args(&arguments);
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
            let mut child = command.spawn().map_err(machine("cannot start kubectl"))?;
            let output = child.stdout.take().map(BufReader::new);
            Ok::<_, Error>((child, output))
        };
        let (child, mut output) = start()?;
        let kubectl = Arc::new(Mutex::new(Some(child)));
        let forward = Self { address, kubectl: Arc::clone(&kubectl) };
        let mut line = String::new();
        if let Some(output) = &mut output {
            output.read_line(&mut line).map_err(machine("cannot hear of kubectl"))?;
        }
        if !line.starts_with("Forwarding from ") {
            let output = format!("there is no way to port {port} of service/{service}; it said {line:?}");
            return Err(Error::Failed { program: "kubectl port-forward", output });
        }
        thread::spawn(move || {
            loop {
                until_the_end(output.take());
                let mut kubectl = kubectl.lock().unwrap_or_else(PoisonError::into_inner);
                let Some(ended) = &mut *kubectl else { return };
                let _reaped = ended.kill().is_ok() && ended.wait().is_ok();
                if let Ok((child, its_output)) = start() {
                    *ended = child;
                    output = its_output;
                }
                drop(kubectl);
                thread::sleep(PAUSE);
            }
        });
        Ok(forward)
    }

    /// Where it leads from.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// It says more with each connection, and ends when nobody hears it.
fn until_the_end(output: Option<BufReader<ChildStdout>>) {
    if let Some(mut output) = output {
        let _heard = io::copy(&mut output.by_ref(), &mut io::sink()).is_ok();
    }
}

impl Drop for Forward {
    fn drop(&mut self) {
        let kubectl = self.kubectl.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut kubectl) = kubectl {
            // It has ended already, or ends now.
            let _ended = kubectl.kill().is_ok() && kubectl.wait().is_ok();
        }
    }
}
