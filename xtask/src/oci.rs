//! Writes container images as archives, without a registry, a daemon or a build tool.
//!
//! An archive has both tables of contents that loaders know: an OCI layout (containerd, buildah, skopeo) and Docker's
//! `manifest.json` (`docker load`, `kind load image-archive`).

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::cache::hex;

/// What an image says of itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Image {
    /// Its full name with registry and tag, as pods write it: `ghcr.io/flotilla-dev/operator:0.1.0`.
    pub(crate) reference: String,
    /// The program and its fixed arguments.
    pub(crate) entrypoint: Vec<String>,
    /// Arguments that a pod's `args` replaces.
    pub(crate) command: Vec<String>,
    /// `NAME=value`.
    pub(crate) environment: Vec<String>,
    /// `uid:gid`; root where it is empty.
    pub(crate) user: String,
    /// Where the program starts; `/` where it is empty.
    pub(crate) working_directory: String,
    /// Ports that it listens on, as `8080/tcp`.
    pub(crate) ports: Vec<String>,
    /// OCI labels.
    pub(crate) labels: BTreeMap<String, String>,
}

/// One thing in a layer. Paths are those in the image, without the leading slash.
#[derive(Debug)]
pub(crate) enum Entry {
    /// A file of this machine, owned by root.
    File { path: String, source: PathBuf, mode: u32 },
    /// A small file, owned by root.
    Text { path: String, content: String, mode: u32 },
    /// A folder with its owner.
    Folder { path: String, mode: u32, uid: u64, gid: u64 },
    /// A symbolic link.
    Link { path: String, target: String },
    /// Everything below a folder of this machine, with its owners and modes. Sockets and devices are left out.
    Tree { path: String, source: PathBuf },
}

/// A layer: later entries, and later layers, win.
pub(crate) type Layer = Vec<Entry>;

/// Writes the image to `out`. The same contents give the same bytes.
pub(crate) fn write_archive(image: &Image, layers: &[Layer], out: &Path) -> Result<()> {
    let mut archive = tar::Builder::new(io::BufWriter::new(
        File::create(out).with_context(|| format!("creating {}", out.display()))?,
    ));
    let mut blobs = Vec::new();
    for layer in layers {
        let mut file = tempfile::tempfile()?;
        write_layer(layer, &mut file).with_context(|| format!("writing a layer of {}", image.reference))?;
        blobs.push(Blob::add_file(&mut archive, &mut file)?);
    }
    let config = Blob::add_json(&mut archive, &config(image, &blobs))?;
    let manifest = Blob::add_json(&mut archive, &manifest(&config, &blobs))?;
    add(&mut archive, "oci-layout", json!({"imageLayoutVersion": "1.0.0"}).to_string().as_bytes())?;
    add(&mut archive, INDEX, index(image, &manifest).to_string().as_bytes())?;
    let docker = json!([{
        "Config": config.path(),
        "RepoTags": [image.reference],
        "Layers": blobs.iter().map(Blob::path).collect::<Vec<_>>(),
    }]);
    add(&mut archive, "manifest.json", docker.to_string().as_bytes())?;
    archive.into_inner()?.flush()?;
    Ok(())
}

/// The images in an archive, each by its name and the digest of its manifest.
pub(crate) fn read_index(archive: &Path) -> Result<Vec<(String, String)>> {
    let file = File::open(archive).with_context(|| format!("opening {}", archive.display()))?;
    let mut reader = tar::Archive::new(file);
    for entry in reader.entries_with_seek()? {
        let mut entry = entry?;
        if entry.path()?.as_os_str() != INDEX {
            continue;
        }
        let mut text = String::new();
        entry.read_to_string(&mut text)?;
        let index: Value = serde_json::from_str(&text)?;
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let manifests = index["manifests"].as_array().map(Vec::as_slice).unwrap_or_default();
        return Ok(manifests
            .iter()
            .filter_map(|manifest| Some((text(&manifest["annotations"][NAME])?, text(&manifest["digest"])?)))
            .collect());
    }
    bail!("{} has no {INDEX}: it is no OCI archive", archive.display())
}

const INDEX: &str = "index.json";
/// The annotation under which containerd looks for an image's full name.
const NAME: &str = "io.containerd.image.name";

fn config(image: &Image, layers: &[Blob]) -> Value {
    json!({
        "architecture": architecture(),
        "os": "linux",
        "config": {
            "Entrypoint": image.entrypoint,
            "Cmd": image.command,
            "Env": image.environment,
            "User": image.user,
            "WorkingDir": if image.working_directory.is_empty() { "/" } else { &image.working_directory },
            "ExposedPorts": image.ports.iter().map(|port| (port.clone(), json!({}))).collect::<BTreeMap<_, _>>(),
            "Labels": image.labels,
        },
        "rootfs": {"type": "layers", "diff_ids": layers.iter().map(Blob::digest).collect::<Vec<_>>()},
        "history": layers.iter().map(|_| json!({"created_by": "cargo xtask"})).collect::<Vec<_>>(),
    })
}

fn manifest(config: &Blob, layers: &[Blob]) -> Value {
    json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": config.descriptor("application/vnd.oci.image.config.v1+json"),
        "layers": layers
            .iter()
            .map(|layer| layer.descriptor("application/vnd.oci.image.layer.v1.tar"))
            .collect::<Vec<_>>(),
    })
}

fn index(image: &Image, manifest: &Blob) -> Value {
    let mut descriptor = manifest.descriptor("application/vnd.oci.image.manifest.v1+json");
    let tag = image.reference.rsplit_once(':').map_or("latest", |(_, tag)| tag);
    descriptor["annotations"] = json!({NAME: image.reference, "org.opencontainers.image.ref.name": tag});
    descriptor["platform"] = json!({"architecture": architecture(), "os": "linux"});
    json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [descriptor],
    })
}

/// This machine's architecture by its name in images.
pub(crate) fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// Something in the archive that is named by its content.
struct Blob {
    sha256: String,
    size: u64,
}

impl Blob {
    fn add_json(archive: &mut tar::Builder<impl Write>, value: &Value) -> Result<Self> {
        let bytes = value.to_string().into_bytes();
        let blob = Self { sha256: hex(&Sha256::digest(&bytes)), size: bytes.len() as u64 };
        add(archive, &blob.path(), &bytes)?;
        Ok(blob)
    }

    fn add_file(archive: &mut tar::Builder<impl Write>, file: &mut File) -> Result<Self> {
        use std::io::Seek as _;
        file.rewind()?;
        let mut hash = Sha256::new();
        let size = io::copy(file, &mut HashWriter(&mut hash))?;
        file.rewind()?;
        let blob = Self { sha256: hex(&hash.finalize()), size };
        archive.append_data(&mut header(size, 0o644), blob.path(), file)?;
        Ok(blob)
    }

    fn digest(&self) -> String {
        format!("sha256:{}", self.sha256)
    }

    fn path(&self) -> String {
        format!("blobs/sha256/{}", self.sha256)
    }

    fn descriptor(&self, media_type: &str) -> Value {
        json!({"mediaType": media_type, "digest": self.digest(), "size": self.size})
    }
}

struct HashWriter<'a>(&'a mut Sha256);

impl Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A header without a time, so that equal contents are equal archives.
fn header(size: u64, mode: u32) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_size(size);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}

fn add(archive: &mut tar::Builder<impl Write>, path: &str, bytes: &[u8]) -> Result<()> {
    archive.append_data(&mut header(bytes.len() as u64, 0o644), path, bytes)?;
    Ok(())
}

fn write_layer(layer: &Layer, out: &mut File) -> Result<()> {
    let mut tar = tar::Builder::new(io::BufWriter::new(out));
    for entry in layer {
        match entry {
            Entry::File { path, source, mode } => {
                let file = File::open(source).with_context(|| format!("opening {}", source.display()))?;
                let size = file.metadata()?.len();
                tar.append_data(&mut header(size, *mode), path, file)?;
            }
            Entry::Text { path, content, mode } => {
                tar.append_data(&mut header(content.len() as u64, *mode), path, content.as_bytes())?;
            }
            Entry::Folder { path, mode, uid, gid } => {
                let mut header = header(0, *mode);
                header.set_entry_type(tar::EntryType::Directory);
                header.set_uid(*uid);
                header.set_gid(*gid);
                tar.append_data(&mut header, path, io::empty())?;
            }
            Entry::Link { path, target } => {
                let mut header = header(0, 0o777);
                header.set_entry_type(tar::EntryType::Symlink);
                tar.append_link(&mut header, path, target)?;
            }
            Entry::Tree { path, source } => write_tree(&mut tar, Path::new(path), source)?,
        }
    }
    tar.into_inner()?.flush()?;
    Ok(())
}

fn write_tree(tar: &mut tar::Builder<impl Write>, path: &Path, source: &Path) -> Result<()> {
    let mut children: Vec<_> = fs::read_dir(source)
        .with_context(|| format!("listing {}", source.display()))?
        .collect::<io::Result<_>>()?;
    children.sort_by_key(fs::DirEntry::file_name);
    for child in children {
        let from = child.path();
        let to = path.join(child.file_name());
        let data = fs::symlink_metadata(&from)?;
        let mut header = header(0, data.permissions().mode() & 0o7777);
        header.set_uid(data.uid().into());
        header.set_gid(data.gid().into());
        if data.is_dir() {
            header.set_entry_type(tar::EntryType::Directory);
            tar.append_data(&mut header, &to, io::empty())?;
            write_tree(tar, &to, &from)?;
        } else if data.is_symlink() {
            header.set_entry_type(tar::EntryType::Symlink);
            tar.append_link(&mut header, &to, fs::read_link(&from)?)?;
        } else if data.is_file() {
            header.set_size(data.len());
            tar.append_data(&mut header, &to, File::open(&from)?)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::{Entry, Image, read_index, write_archive};

    fn layers() -> Vec<Vec<Entry>> {
        vec![vec![
            Entry::Folder { path: "tmp".into(), mode: 0o1777, uid: 0, gid: 0 },
            Entry::Text { path: "etc/greeting".into(), content: "hello".into(), mode: 0o444 },
        ]]
    }

    #[test]
    fn the_same_contents_give_the_same_bytes_under_the_name() {
        let folder = tempfile::tempdir().unwrap();
        let image = Image { reference: "example.org/team/thing:1.2".into(), ..Image::default() };
        let (one, two) = (folder.path().join("one"), folder.path().join("two"));
        write_archive(&image, &layers(), &one).unwrap();
        write_archive(&image, &layers(), &two).unwrap();
        assert_eq!(std::fs::read(&one).unwrap(), std::fs::read(&two).unwrap());
        let index = read_index(&one).unwrap();
        assert_eq!(index.len(), 1);
        assert_eq!(index[0].0, "example.org/team/thing:1.2");
        assert!(index[0].1.starts_with("sha256:"));
    }

    #[test]
    fn every_blob_is_named_by_its_content() {
        use sha2::Digest as _;
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("image");
        write_archive(&Image { reference: "a/b:c".into(), ..Image::default() }, &layers(), &out).unwrap();
        let mut blobs = 0;
        for entry in tar::Archive::new(std::fs::File::open(&out).unwrap()).entries().unwrap() {
            let mut entry = entry.unwrap();
            let path = entry.path().unwrap().to_string_lossy().into_owned();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            if let Some(name) = path.strip_prefix("blobs/sha256/") {
                assert_eq!(name, crate::cache::hex(&sha2::Sha256::digest(&bytes)));
                blobs += 1;
            }
        }
        assert_eq!(blobs, 3, "a layer, a config and a manifest");
    }
}
