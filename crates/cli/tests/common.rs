//! Running the real binary.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// The result of a run.
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

    /// The command line, standard error and the exit code.
    pub(crate) fn transcript(&self, args: &str) -> String {
        format!(
            "$ portcullis {args}\n{}exit code {}\n\n",
            self.stderr, self.code
        )
    }

    /// The whole result as one text, for snapshots.
    pub(crate) fn text(&self) -> String {
        format!(
            "exit code {}\n--- stdout\n{}--- stderr\n{}",
            self.code, self.stdout, self.stderr
        )
    }
}

/// A temporary folder of input files. The command runs in it, so that messages have relative paths.
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

    /// The path of a file in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs the command with these arguments, separated by blanks.
    pub(crate) fn run(&self, args: &str) -> Run {
        finish(self.command(args), b"")
    }

    /// Runs each command line and checks its exit code.
    #[track_caller]
    pub(crate) fn assert_exit_codes(&self, expected: &[(&str, i32)]) {
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

/// The command, with an empty environment.
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

/// Runs the command with this standard input.
pub(crate) fn portcullis_with(stdin: &[u8], args: &[&str]) -> Run {
    let mut command = command(args);
    command.stdin(Stdio::piped());
    finish(command, stdin)
}

pub(crate) fn finish(mut command: Command, stdin: &[u8]) -> Run {
    let mut child = command.spawn().unwrap();
    let pipe = child.stdin.take();
    let output = std::thread::scope(|scope| {
        // A command that fails early does not read all of its input, so errors are ignored.
        scope.spawn(move || pipe.map(|mut pipe| pipe.write_all(stdin)));
        child.wait_with_output().unwrap()
    });
    Run {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// The path of a file in the repository.
pub(crate) fn project(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path)
}

/// Compresses with gzip.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
