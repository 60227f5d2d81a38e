//! RabbitMQ, with the Erlang port mapper that it needs.

use std::{
    fs,
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    process::Command,
};

use crate::{
    Error, Identity,
    folder::Folder,
    guard::Guard,
    machine, port,
    program::{self, Owner},
    redis::wipe,
};

const PACKAGE: &str = "rabbitmq-server";

/// Debian's script of this name insists on a user and folders of its own; this folder has the one that it calls.
const FOLDER: &str = "/usr/lib/rabbitmq/bin";

/// A RabbitMQ of its own: one node, with the default user and virtual host.
#[derive(Debug)]
pub struct RabbitMq {
    guard: Option<Guard>,
    // Dropped after the server, which speaks with it.
    _mapper: Guard,
    mapper_address: SocketAddr,
    address: SocketAddr,
    /// Where it speaks TLS, when it does.
    secured: Option<SocketAddr>,
    folder: Folder,
    owner: Option<Owner>,
}

impl RabbitMq {
    /// Starts one.
    pub fn start() -> Result<Self, Error> {
        Self::of(None)
    }

    /// Starts one that also listens with TLS.
    pub fn start_secured(identity: &Identity) -> Result<Self, Error> {
        Self::of(Some(identity))
    }

    fn of(identity: Option<&Identity>) -> Result<Self, Error> {
        let owner = Owner::when_root()?;
        // The node starts a mapper by itself where there is none, and that one would stay.
        let mapper_address = port::free()?;
        let mut command = Command::new(program::find("epmd", "erlang-base", &[])?);
        command.args(["-address", "127.0.0.1", "-port"]).arg(mapper_address.port().to_string());
        let mapper = Guard::start("epmd", &Folder::new("epmd", owner)?, "KILL", owner, &command)?;
        mapper.wait(|| TcpStream::connect(mapper_address).is_ok())?;
        let folder = Folder::new("rabbitmq", owner)?;
        // The first turns off plugins, the second the machine's own settings.
        for (name, content) in [("enabled_plugins", "[].\n"), ("environment", "")] {
            fs::write(folder.path().join(name), content).map_err(machine("cannot write settings"))?;
        }
        let mut rabbitmq = Self {
            guard: None,
            _mapper: mapper,
            mapper_address,
            address: port::free()?,
            secured: None,
            folder,
            owner,
        };
        if let Some(identity) = identity {
            rabbitmq.secured = Some(rabbitmq.listen_securely(identity)?);
        }
        rabbitmq.start_again()?;
        Ok(rabbitmq)
    }

    /// Writes settings for it to listen with TLS, and says where.
    fn listen_securely(&self, identity: &Identity) -> Result<SocketAddr, Error> {
        let address = port::free()?;
        let file = |name| self.folder.path().join(name);
        let (certificates, key) = (file("certificates.pem"), file("key.pem"));
        let settings = format!(
            "listeners.ssl.1 = {address}\n\
             ssl_options.certfile = {}\n\
             ssl_options.keyfile = {}\n",
            certificates.display(),
            key.display(),
        );
        for (file, content) in
            [(certificates, &identity.certificates), (key, &identity.key), (file("rabbitmq.conf"), &settings)]
        {
            // The folder is its owner's alone.
            fs::write(file, content).map_err(machine("cannot write settings"))?;
        }
        Ok(address)
    }

    /// Starts it with the data that it had, at the same address. Nothing happens when it runs.
    pub fn start_again(&mut self) -> Result<(), Error> {
        if self.guard.is_some() {
            return Ok(());
        }
        let mut server = Command::new(program::find(PACKAGE, PACKAGE, &[PathBuf::from(FOLDER)])?);
        let folder = self.folder.path();
        server
            // The cookie of Erlang lies there.
            .env("HOME", folder)
            .env("RABBITMQ_MNESIA_BASE", folder.join("data"))
            .env("RABBITMQ_LOG_BASE", folder.join("logs"))
            .env("RABBITMQ_CONFIG_FILE", folder.join("rabbitmq"))
            .env("RABBITMQ_ADVANCED_CONFIG_FILE", folder.join("advanced"))
            .env("RABBITMQ_CONF_ENV_FILE", folder.join("environment"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", folder.join("enabled_plugins"))
            .env("RABBITMQ_PID_FILE", folder.join("node.pid"))
            .env("RABBITMQ_NODENAME", format!("testbed-{}@localhost", self.address.port()))
            .env("RABBITMQ_NODE_IP_ADDRESS", self.address.ip().to_string())
            .env("RABBITMQ_NODE_PORT", self.address.port().to_string())
            .env("RABBITMQ_DIST_PORT", port::free()?.port().to_string())
            .env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "-kernel inet_dist_use_interface {127,0,0,1}")
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("ERL_EPMD_PORT", self.mapper_address.port().to_string());
        let guard = Guard::start(PACKAGE, &self.folder, "KILL", self.owner, &server)?;
        // It listens once it has started.
        let listens = |address: SocketAddr| TcpStream::connect(address).is_ok();
        guard.wait(|| listens(self.address) && self.secured.is_none_or(listens))?;
        self.guard = Some(guard);
        Ok(())
    }

    /// Kills it.
    pub fn kill(&mut self) -> Result<(), Error> {
        self.guard.take().map_or(Ok(()), Guard::kill)
    }

    /// Kills it and removes all that it had.
    pub fn wipe(&mut self) -> Result<(), Error> {
        self.kill()?;
        wipe(self.folder.path(), "data")
    }

    /// Its address, with the default virtual host.
    pub fn url(&self) -> String {
        format!("amqp://guest:guest@{}/%2f", self.address)
    }

    /// Its address with TLS, when it has been started so.
    pub fn secured_url(&self) -> Option<String> {
        // A client has to see the name that the certificate is for.
        self.secured.map(|address| format!("amqps://guest:guest@localhost:{}/%2f", address.port()))
    }
}
