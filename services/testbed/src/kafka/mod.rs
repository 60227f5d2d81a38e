//! Kafka: one node that is broker and controller at once, without `ZooKeeper`.

mod jars;

use std::{
    fmt::Write as _,
    fs,
    io::{Read, Write as _},
    net::{SocketAddr, TcpStream},
    os::unix::fs::chown,
    path::PathBuf,
    process::Command,
    time::Duration,
};

use crate::{
    Error, Identity,
    folder::Folder,
    guard::Guard,
    machine, port,
    program::{self, Owner},
    redis::wipe,
};

/// Any; a cluster has one.
const CLUSTER: &str = "Zmxvei10ZXN0YmVkLTAwMA";

/// The only user of a secured one, and the password.
const USER: (&str, &str) = ("flotilla", "throw-away");

/// What a small one needs: no copies, little memory, groups that hear soon who has come and who is gone.
const SETTINGS: &str = "\
process.roles=broker,controller
node.id=1
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURED:SASL_SSL
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
group.consumer.min.session.timeout.ms=500
group.consumer.session.timeout.ms=6000
group.consumer.min.heartbeat.interval.ms=100
group.consumer.heartbeat.interval.ms=200
log.cleaner.dedupe.buffer.size=2097152
num.io.threads=2
num.network.threads=2
";

/// A Kafka of its own.
#[derive(Debug)]
pub struct Kafka {
    guard: Option<Guard>,
    address: SocketAddr,
    controller: SocketAddr,
    /// Where it speaks TLS and asks for a password, when it does.
    secured: Option<SocketAddr>,
    folder: Folder,
    owner: Option<Owner>,
}

impl Kafka {
    /// Starts one that anybody may use.
    pub fn start() -> Result<Self, Error> {
        Self::of(None)
    }

    /// Starts one that also listens with TLS for whoever has a password (SCRAM-SHA-512).
    pub fn start_secured(identity: &Identity) -> Result<Self, Error> {
        Self::of(Some(identity))
    }

    fn of(identity: Option<&Identity>) -> Result<Self, Error> {
        let owner = Owner::when_root()?;
        let folder = Folder::new("kafka", owner)?;
        let mut kafka = Self {
            guard: None,
            address: port::free()?,
            controller: port::free()?,
            secured: identity.map(|_| port::free()).transpose()?,
            folder,
            owner,
        };
        kafka.link_jars()?;
        fs::write(kafka.settings(), kafka.written_settings(identity))
            .map_err(machine("cannot write settings"))?;
        if let Some(owner) = owner {
            chown(kafka.settings(), Some(owner.user), Some(owner.group))
                .map_err(machine("cannot hand a file over"))?;
        }
        kafka.start_again()?;
        Ok(kafka)
    }

    fn settings(&self) -> PathBuf {
        self.folder.path().join("kafka.properties")
    }

    fn written_settings(&self, identity: Option<&Identity>) -> String {
        let mut settings = SETTINGS.to_owned();
        let (address, controller) = (self.address, self.controller);
        let mut advertised = format!("PLAINTEXT://{address}");
        if let Some((identity, secured)) = identity.zip(self.secured) {
            // A client has to see the name that the certificate is for.
            // Writing to a String cannot fail.
            write!(advertised, ",SECURED://localhost:{}", secured.port()).ok();
            let one_line = |pem: &str| pem.trim().replace('\n', "\\n");
            let login = "org.apache.kafka.common.security.scram.ScramLoginModule required;";
            write!(
                settings,
                "listener.name.secured.ssl.keystore.type=PEM\n\
                 listener.name.secured.ssl.keystore.certificate.chain={}\n\
                 listener.name.secured.ssl.keystore.key={}\n\
                 listener.name.secured.sasl.enabled.mechanisms=SCRAM-SHA-512\n\
                 listener.name.secured.scram-sha-512.sasl.jaas.config={login}\n",
                one_line(&identity.certificates),
                one_line(&identity.key),
            )
            .ok();
        }
        write!(
            settings,
            "listeners={},CONTROLLER://{controller}\n\
             advertised.listeners={advertised}\n\
             controller.quorum.voters=1@{controller}\n\
             log.dirs={}\n",
            advertised.replace("localhost", "127.0.0.1"),
            self.folder.path().join("data").display(),
        )
        .ok();
        settings
    }

    /// Whom it runs as may not look into the home of whom this process runs as.
    fn link_jars(&self) -> Result<(), Error> {
        let to = self.folder.path().join("jars");
        fs::create_dir(&to).map_err(machine("cannot make a folder"))?;
        for entry in fs::read_dir(jars::folder()?).map_err(machine("cannot read the jars of Kafka"))? {
            let entry = entry.map_err(machine("cannot read the jars of Kafka"))?;
            let to = to.join(entry.file_name());
            // Another file system has to have its own.
            fs::hard_link(entry.path(), &to)
                .or_else(|_| fs::copy(entry.path(), &to).map(drop))
                .map_err(machine("cannot copy the jars of Kafka"))?;
        }
        Ok(())
    }

    /// A program of the jars.
    fn java(&self, main: &str) -> Result<Command, Error> {
        let mut java = Command::new(program::find("java", "default-jre-headless", &[])?);
        // Quick to start, and small.
        java.args(["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData"]);
        java.args(["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp"]);
        java.arg(self.folder.path().join("jars/*")).arg(main);
        Ok(java)
    }

    fn format(&self) -> Result<(), Error> {
        let mut format = self.java("kafka.tools.StorageTool")?;
        format.args(["format", "--cluster-id", CLUSTER, "--config"]).arg(self.settings());
        if self.secured.is_some() {
            let (user, password) = USER;
            format.args(["--add-scram", &format!("SCRAM-SHA-512=[name={user},password={password}]")]);
        }
        program::run("kafka", self.owner, format.current_dir(self.folder.path()))
    }

    /// Starts it with the data that it had, at the same address. Nothing happens when it runs.
    pub fn start_again(&mut self) -> Result<(), Error> {
        if self.guard.is_some() {
            return Ok(());
        }
        if !self.folder.path().join("data").exists() {
            self.format()?;
        }
        let mut server = self.java("kafka.Kafka")?;
        server.arg(self.settings());
        let guard = Guard::start("kafka", &self.folder, "KILL", self.owner, &server)?;
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
        wipe(self.folder.path(), "data")
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("kafka://{}", self.address)
    }

    /// Its address with TLS, user and password, when it has been started so.
    pub fn secured_url(&self) -> Option<String> {
        let (user, password) = USER;
        self.secured.map(|address| format!("kafkas://{user}:{password}@localhost:{}", address.port()))
    }
}

/// Whether it takes requests: it listens before. Asked is which ones it knows, as of Kafka's protocol guide: `ApiVersions`.
fn answers(address: SocketAddr) -> bool {
    const API_VERSIONS: [u8; 14] = [0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 255, 255];
    let ask = || {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        stream.write_all(&API_VERSIONS)?;
        let mut answer = [0; 10];
        stream.read_exact(&mut answer)?;
        // After its length, the number of the question and no error.
        Ok::<_, std::io::Error>(answer.ends_with(&[0, 0, 0, 1, 0, 0]))
    };
    ask().unwrap_or(false)
}
