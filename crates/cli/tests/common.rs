//! Running the real binary.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// What a run gave.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    /// Standard output as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}\n{self:?}"))
    }

    /// What was said on standard error, under the command line.
    pub(crate) fn told(&self, args: &str) -> String {
        format!(
            "$ portcullis {args}\n{}exit code {}\n\n",
            self.stderr, self.code
        )
    }

    /// All of it as one text, for snapshots.
    pub(crate) fn text(&self) -> String {
        format!(
            "exit code {}\n--- stdout\n{}--- stderr\n{}",
            self.code, self.stdout, self.stderr
        )
    }
}

/// A folder of input files in which the command runs, so that its messages are the same everywhere.
#[derive(Debug)]
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn with(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }

    /// A file that is there already.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs the command with these arguments, parted by blanks.
    pub(crate) fn run(&self, args: &str) -> Run {
        finish(self.command(args), b"")
    }

    /// Runs each command line and holds it to its exit code.
    #[track_caller]
    pub(crate) fn exits(&self, expected: &[(&str, i32)]) {
        for (args, code) in expected {
            let run = self.run(args);
            assert_eq!(run.code, *code, "{args}: {run:?}");
        }
    }

    pub(crate) fn command(&self, args: &str) -> Command {
        let mut command = command(&args.split_whitespace().collect::<Vec<_>>());
        command.current_dir(self.0.path());
        command
    }
}

/// The command, with nothing from the environment of the test.
pub(crate) fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    command
        .args(args)
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

pub(crate) fn portcullis(args: &[&str]) -> Run {
    finish(command(args), b"")
}

/// With this on standard input.
pub(crate) fn portcullis_with(stdin: &[u8], args: &[&str]) -> Run {
    let mut command = command(args);
    command.stdin(Stdio::piped());
    finish(command, stdin)
}

pub(crate) fn finish(mut command: Command, stdin: &[u8]) -> Run {
    let mut child = command.spawn().unwrap();
    let pipe = child.stdin.take();
    let output = std::thread::scope(|scope| {
        // A command that stops early does not read all of it.
        scope.spawn(move || pipe.map(|mut pipe| pipe.write_all(stdin)));
        child.wait_with_output().unwrap()
    });
    Run {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A file of the project.
pub(crate) fn project(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path)
}

/// Packed with gzip.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
