//! Private Python environments, installed on first use.

use std::env;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};

use crate::binary::workspace_root;

/// A file that is written last. An environment without it is incomplete and is installed again.
const COMPLETE: &str = "complete";

/// The interpreters to look for. The plain name comes first, because an active virtual environment
/// or pyenv provides it.
const NAMES: [&str; 7] = [
    "python3",
    "python3.13",
    "python3.12",
    "python3.11",
    "python3.10",
    "python3.14",
    "python",
];

/// The user's settings that would install elsewhere or add other packages. Those of the index, the
/// proxy and the certificates are kept.
const UNSET: [&str; 12] = [
    "PIP_TARGET",
    "PIP_PREFIX",
    "PIP_ROOT",
    "PIP_CONSTRAINT",
    "PIP_REQUIREMENT",
    "PIP_NO_DEPS",
    "PIP_DRY_RUN",
    "PYTHONHOME",
    "PYTHONPATH",
    "PYTHONSTARTUP",
    "VIRTUAL_ENV",
    "__PYVENV_LAUNCHER__",
];

/// The packages of an environment: one of the lock files in `tests/local-aws`.
#[derive(Clone, Copy, Debug)]
pub enum Requirements {
    /// moto, ministack and boto3.
    LocalAws,
    /// The SAM CLI (`python -m samcli`) and cfn-lint (`python -m cfnlint`).
    Sam,
    /// checkov (`python -m checkov.main`). It needs another boto3 than the SAM CLI.
    Checkov,
}

impl Requirements {
    fn file(self) -> &'static str {
        match self {
            Self::LocalAws => "requirements.txt",
            Self::Sam => "requirements-sam.txt",
            Self::Checkov => "requirements-checkov.txt",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::LocalAws => "the local AWS (moto and ministack)",
            Self::Sam => "the SAM CLI and cfn-lint",
            Self::Checkov => "checkov",
        }
    }
}

/// A Python environment with exactly the packages of one lock file.
#[derive(Clone, Debug)]
pub struct PythonEnv {
    root: PathBuf,
    interpreter: PathBuf,
    /// The directory with the packages, if the interpreter does not find them on its own.
    site: Option<PathBuf>,
}

impl PythonEnv {
    /// Installs the environment if necessary. Several processes may do this at once.
    ///
    /// # Errors
    /// When there is no Python 3.10 or newer, or when pip fails. The message says what to do.
    pub fn install(requirements: Requirements) -> Result<Self> {
        let lock = local_aws().join(requirements.file());
        let text = fs::read(&lock).with_context(|| format!("cannot read {}", lock.display()))?;
        let python = Interpreter::find()?;
        let cache = cache_directory()?;
        fs::create_dir_all(&cache).with_context(|| format!("cannot create {}", cache.display()))?;
        let name = format!("py-{:016x}", fingerprint(&text, &python.identity));
        let root = cache.join(&name);

        let guard = File::create(cache.join(format!("{name}.lock")))?;
        if guard.try_lock().is_err() {
            writeln!(
                io::stderr(),
                "Waiting for another process to install {}",
                requirements.title()
            )?;
            guard.lock()?;
        }
        if !root.join(COMPLETE).exists() {
            install(&root, requirements, &lock, &python)?;
        }
        Ok(Self::at(root, python.program))
    }

    fn at(root: PathBuf, base: PathBuf) -> Self {
        let site = root.join("site");
        if site.is_dir() {
            return Self {
                root,
                interpreter: base,
                site: Some(site),
            };
        }
        let interpreter = root.join("bin").join("python");
        Self {
            root,
            interpreter,
            site: None,
        }
    }

    /// Python with the packages of this environment and none of the user's.
    pub fn command(&self) -> Command {
        let mut command = isolated_command(&self.interpreter);
        if let Some(site) = &self.site {
            command.env("PYTHONPATH", site);
        }
        command
    }

    /// A program of this environment that `python -m` runs: `samcli`, `cfnlint`, `checkov.main`.
    pub fn module(&self, name: &str) -> Command {
        let mut command = self.command();
        command.args(["-m", name]);
        command
    }

    /// The directory of the environment.
    pub fn root(&self) -> &Path {
        &self.root
    }
}

/// The directory with the lock files and the Python programs.
pub(crate) fn local_aws() -> PathBuf {
    workspace_root().join("tests/local-aws")
}

/// The user's cache directory for this project. It need not exist.
///
/// # Errors
/// When neither `XDG_CACHE_HOME` nor `HOME` is set.
pub fn cache_directory() -> Result<PathBuf> {
    let configured = env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute());
    let parent = configured.or_else(|| env::home_dir().map(|home| home.join(".cache")));
    let parent = parent
        .context("no cache directory: set XDG_CACHE_HOME to an absolute path, or set HOME")?;
    Ok(parent.join("portcullis"))
}

fn fingerprint(lock: &[u8], identity: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (lock, identity).hash(&mut hasher);
    hasher.finish()
}

/// The Python interpreter that environments are based on.
#[derive(Debug)]
struct Interpreter {
    program: PathBuf,
    /// Version, platform and location. Another one needs another environment.
    identity: String,
}

impl Interpreter {
    fn find() -> Result<Self> {
        let configured = env::var_os("PORTCULLIS_PYTHON").map(PathBuf::from);
        let candidates: Vec<PathBuf> = match configured {
            Some(one) => vec![one],
            None => NAMES.iter().map(PathBuf::from).collect(),
        };
        candidates.into_iter().find_map(Self::probe).context(
            "found no Python 3.10 or newer: install it as `python3`, or set PORTCULLIS_PYTHON to \
             its path",
        )
    }

    fn probe(program: PathBuf) -> Option<Self> {
        let script = "import sys, sysconfig; assert sys.version_info >= (3, 10); \
                      print(sys.executable, sys.base_prefix, sys.version, \
                      sysconfig.get_platform(), sep='\\n')";
        let output = isolated_command(&program)
            .args(["-c", script])
            .stderr(Stdio::null())
            .output()
            .ok()?;
        let identity = String::from_utf8(output.stdout)
            .ok()
            .filter(|_| output.status.success())?;
        let program = identity.lines().next().map_or(program, PathBuf::from);
        Some(Self { program, identity })
    }
}

fn install(
    root: &Path,
    requirements: Requirements,
    lock: &Path,
    python: &Interpreter,
) -> Result<()> {
    let start = Instant::now();
    let mut stderr = io::stderr();
    writeln!(
        stderr,
        "Installing {} into {}",
        requirements.title(),
        root.display()
    )?;
    writeln!(stderr, "  (once; about a minute and 300 MB)")?;
    if root.exists() {
        fs::remove_dir_all(root)?;
    }
    let mut venv = isolated_command(&python.program);
    venv.args(["-m", "venv"]).arg(root);
    if run(&mut venv).is_err() {
        fs::remove_dir_all(root).ok();
        fs::create_dir_all(root.join("site"))?;
        ensure!(
            run(isolated_command(&python.program).args(["-m", "pip", "--version"])).is_ok(),
            "{} has neither the module venv nor pip: install one of them (Debian, Ubuntu: \
             apt install python3-venv)",
            python.program.display()
        );
    }
    let environment = PythonEnv::at(root.to_path_buf(), python.program.clone());
    run(&mut pip_install(&environment, lock)).context("pip could not install the packages")?;
    File::create(root.join(COMPLETE))?;
    writeln!(stderr, "  installed in {} s", start.elapsed().as_secs())?;
    Ok(())
}

fn pip_install(environment: &PythonEnv, lock: &Path) -> Command {
    let mut pip = isolated_command(&environment.interpreter);
    // The lock file is complete. Resolving again would fail, because pip wants a hash for each
    // spelling of an extra.
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--require-hashes",
        "--no-deps",
        "--requirement",
    ])
    .arg(lock);
    pip.envs([
        ("PIP_USER", "0"),
        ("PIP_REQUIRE_VIRTUALENV", "0"),
        ("PIP_NO_INPUT", "1"),
    ]);
    pip.env("PIP_DISABLE_PIP_VERSION_CHECK", "1");
    if let Some(site) = &environment.site {
        pip.arg("--target").arg(site);
    }
    pip
}

/// A command without the user's Python settings.
fn isolated_command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for name in UNSET {
        command.env_remove(name);
    }
    command
        .env("PYTHONNOUSERSITE", "1")
        .env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// Runs a command to its end. An error contains its output.
fn run(command: &mut Command) -> Result<()> {
    let output = command.stdin(Stdio::null()).output()?;
    if !output.status.success() {
        let text = [output.stdout, output.stderr].concat();
        bail!(
            "{}\n{}",
            output.status,
            String::from_utf8_lossy(&text).trim_end()
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_lock_and_interpreter_has_its_own_environment() {
        let usual = fingerprint(b"a==1", "3.11");
        assert_eq!(usual, fingerprint(b"a==1", "3.11"));
        assert_ne!(usual, fingerprint(b"a==2", "3.11"));
        assert_ne!(usual, fingerprint(b"a==1", "3.12"));
    }

    #[test]
    fn lock_files_have_hashes_and_no_index() {
        for requirements in [
            Requirements::LocalAws,
            Requirements::Sam,
            Requirements::Checkov,
        ] {
            let text = fs::read_to_string(local_aws().join(requirements.file())).unwrap();
            assert!(text.contains("--hash=sha256:"), "{requirements:?}");
            assert!(!text.contains("://"), "{requirements:?}");
        }
    }
}
