//! Postgres.

use std::{
    fs,
    io::{Read, Write},
    net::SocketAddr,
    os::unix::fs::{OpenOptionsExt, chown},
    path::Path,
    process::{Command, Stdio},
};

use crate::{
    Error,
    folder::Folder,
    guard::Guard,
    machine, port,
    program::{self, Owner},
};

const PACKAGE: &str = "postgresql";

/// The files of a folder: the superuser's password, and the data.
const PASSWORD: &str = "password";
const DATA: &str = "data";

/// A Postgres of its own, with one superuser.
#[derive(Debug)]
pub struct Postgres {
    guard: Option<Guard>,
    address: SocketAddr,
    password: String,
    folder: Folder,
    owner: Option<Owner>,
}

impl Postgres {
    /// Starts one. What is committed is on the disk, as in production.
    pub fn start() -> Result<Self, Error> {
        let owner = Owner::when_root()?;
        Self::of(Folder::new("postgres", owner)?, owner)
    }

    /// Starts one whose data are in a folder that stays, and with what is there already.
    pub fn start_in(folder: &Path) -> Result<Self, Error> {
        let owner = Owner::when_root()?;
        Self::of(Folder::kept(folder, owner)?, owner)
    }

    fn of(folder: Folder, owner: Option<Owner>) -> Result<Self, Error> {
        let password = match fs::read_to_string(folder.path().join(PASSWORD)) {
            Ok(password) if folder.path().join(DATA).exists() => password,
            _ => init(&folder, owner)?,
        };
        let mut postgres = Self { guard: None, address: port::free()?, password, folder, owner };
        postgres.start_again()?;
        Ok(postgres)
    }

    /// Starts it with the data that it had, at the same address. Nothing happens when it runs.
    pub fn start_again(&mut self) -> Result<(), Error> {
        if self.guard.is_some() {
            return Ok(());
        }
        let folders = program::postgres_folders();
        let mut server = Command::new(program::find("postgres", PACKAGE, &folders)?);
        server.arg("-D").arg(self.folder.path().join(DATA));
        let settings = [
            format!("listen_addresses={}", self.address.ip()),
            format!("port={}", self.address.port()),
            format!("unix_socket_directories={}", self.folder.path().display()),
            "max_connections=300".to_owned(),
            "timezone=UTC".to_owned(),
        ];
        for setting in settings {
            server.arg("-c").arg(setting);
        }
        // Quit, not kill: what a killed one shared in memory would stay.
        let guard = Guard::start("postgres", &self.folder, "QUIT", self.owner, &server)?;
        let mut ready = Command::new(program::find("pg_isready", PACKAGE, &folders)?);
        ready.args(["--quiet", "--timeout=1", "--dbname=postgres", "--username=postgres"]);
        ready.arg(format!("--host={}", self.address.ip())).arg(format!("--port={}", self.address.port()));
        ready.stdout(Stdio::null()).stderr(Stdio::null());
        guard.wait(|| ready.status().is_ok_and(|status| status.success()))?;
        self.guard = Some(guard);
        Ok(())
    }

    /// Ends it at once, as `pg_ctl stop -m immediate` does: what was not committed is lost, and connections break.
    pub fn stop(&mut self) -> Result<(), Error> {
        self.guard.take().map_or(Ok(()), Guard::kill)
    }

    /// Its folder. What others put there goes with it.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Runs SQL in a database, as the superuser.
    pub fn run(&self, database: &str, sql: &str) -> Result<(), Error> {
        let mut psql =
            Command::new(program::find("psql", "postgresql-client", &program::postgres_folders())?);
        psql.args(["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--command"]).arg(sql);
        program::run("psql", None, psql.arg(self.url(database)))
    }

    /// The address of a database, as the superuser.
    pub fn url(&self, database: &str) -> String {
        self.url_of("postgres", &self.password, database)
    }

    /// The address of a database, as some role.
    pub fn url_of(&self, role: &str, password: &str, database: &str) -> String {
        format!("postgres://{role}:{password}@{}/{database}", self.address)
    }
}

/// Makes data with a superuser, whose password it returns.
fn init(folder: &Folder, owner: Option<Owner>) -> Result<String, Error> {
    let initdb = program::find("initdb", PACKAGE, &program::postgres_folders())?;
    let password = password()?;
    let password_file = folder.path().join(PASSWORD);
    fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&password_file)
        .and_then(|mut file| file.write_all(password.as_bytes()))
        .map_err(machine("cannot write a password"))?;
    if let Some(owner) = owner {
        chown(&password_file, Some(owner.user), Some(owner.group))
            .map_err(machine("cannot hand a file over"))?;
    }
    // Under another name until it is whole: a run may be killed in between.
    let unfinished = folder.path().join("unfinished");
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished).map_err(machine("cannot remove what is unfinished"))?;
    }
    // Everybody on this machine can reach loopback.
    let mut init = Command::new(initdb);
    init.args(["--auth=scram-sha-256", "--username=postgres", "--encoding=UTF8", "--locale=C.UTF-8"])
        .args(["--no-sync", "--no-instructions"])
        .arg(format!("--pwfile={}", password_file.display()))
        .arg(format!("--pgdata={}", unfinished.display()))
        .current_dir(folder.path());
    program::run("initdb", owner, &mut init)?;
    fs::rename(&unfinished, folder.path().join(DATA)).map_err(machine("cannot rename a folder"))?;
    Ok(password)
}

fn password() -> Result<String, Error> {
    let mut bytes = [0; 16];
    fs::File::open("/dev/urandom")
        .and_then(|mut random| random.read_exact(&mut bytes))
        .map_err(machine("cannot read /dev/urandom"))?;
    Ok(bytes.map(|byte| format!("{byte:02x}")).concat())
}
