//! Redis.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::Command,
    time::Duration,
};

use crate::{
    Error,
    folder::Folder,
    guard::Guard,
    machine, port,
    program::{self, Owner},
};

/// A Redis of its own.
#[derive(Debug)]
pub struct Redis {
    guard: Option<Guard>,
    address: SocketAddr,
    folder: Folder,
    owner: Option<Owner>,
}

impl Redis {
    /// Starts one that has on the disk what it has confirmed.
    pub fn start() -> Result<Self, Error> {
        let owner = Owner::when_root()?;
        let mut redis =
            Self { guard: None, address: port::free()?, folder: Folder::new("redis", owner)?, owner };
        redis.start_again()?;
        Ok(redis)
    }

    /// Starts it with the data that it had, at the same address. Nothing happens when it runs.
    pub fn start_again(&mut self) -> Result<(), Error> {
        if self.guard.is_some() {
            return Ok(());
        }
        let mut server = Command::new(program::find("redis-server", "redis-server", &[])?);
        server.args(["--bind", "127.0.0.1", "--port"]).arg(self.address.port().to_string());
        server.arg("--dir").arg(self.folder.path());
        server.args(["--appendonly", "yes", "--appendfsync", "always", "--save", "", "--daemonize", "no"]);
        let guard = Guard::start("redis-server", &self.folder, "KILL", self.owner, &server)?;
        guard.wait(|| answers(self.address))?;
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
        wipe(self.folder.path(), "appendonlydir")
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("redis://{}/", self.address)
    }
}

/// Removes a folder of a server's data.
pub(crate) fn wipe(folder: &Path, data: &str) -> Result<(), Error> {
    let data = folder.join(data);
    if data.exists() {
        std::fs::remove_dir_all(data).map_err(machine("cannot remove data"))?;
    }
    Ok(())
}

/// Whether it has read its data and answers.
fn answers(address: SocketAddr) -> bool {
    let ping = || {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        stream.write_all(b"PING\r\n")?;
        let mut answer = [0; 5];
        stream.read_exact(&mut answer)?;
        Ok::<_, std::io::Error>(answer == *b"+PONG")
    };
    ping().unwrap_or(false)
}
