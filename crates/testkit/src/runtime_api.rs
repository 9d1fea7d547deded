//! A local Lambda Runtime API (2018-06-01) that runs a function binary and sends it events.

use std::ffi::OsStr;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;

/// The result of one invocation.
#[derive(Debug, Clone, PartialEq)]
pub enum Invocation {
    /// The response of the function.
    Response(Value),
    /// The error of the function, with `errorType` and `errorMessage`.
    Error(Value),
}

/// A Runtime API with a running function. Dropping it stops the function.
#[derive(Debug)]
pub struct RuntimeApi {
    child: Child,
    events: Sender<String>,
    results: Receiver<Invocation>,
    log: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl RuntimeApi {
    /// Starts the function with these environment variables. It inherits only `PATH`.
    ///
    /// # Errors
    /// When no local port can be opened or the binary cannot be started.
    pub fn start<K: AsRef<OsStr>, V: AsRef<OsStr>>(
        binary: &Path,
        environment: impl IntoIterator<Item = (K, V)>,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let (events, queue) = channel();
        let (result_sender, results) = channel();
        thread::spawn(move || accept_connections(&listener, queue, &result_sender));
        let mut child = Command::new(binary)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", "remediator")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
            .env("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/remediator")
            .env("AWS_LAMBDA_LOG_STREAM_NAME", "stream")
            .envs(environment)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let log = Arc::new(Mutex::new(String::new()));
        let reader = child.stdout.take().map(|stdout| {
            let log = Arc::clone(&log);
            thread::spawn(move || copy_log_lines(stdout, &log))
        });
        Ok(Self {
            child,
            events,
            results,
            log,
            reader,
        })
    }

    /// The standard output of the function so far.
    pub fn log(&self) -> String {
        self.log
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Waits for the function to exit and returns its exit code and its log; `None` after the
    /// timeout.
    pub fn wait_for_exit(&mut self, timeout: Duration) -> Option<(Option<i32>, String)> {
        let end = Instant::now().checked_add(timeout)?;
        while Instant::now() < end {
            if let Ok(Some(status)) = self.child.try_wait() {
                // Read the rest of the log.
                let _ = self.reader.take().map(JoinHandle::join);
                return Some((status.code(), self.log()));
            }
            thread::sleep(Duration::from_millis(20));
        }
        None
    }

    /// Sends an event to the function and waits for the result; `None` after the timeout.
    pub fn invoke(&self, event: &str, timeout: Duration) -> Option<Invocation> {
        self.events.send(event.to_owned()).ok()?;
        self.results.recv_timeout(timeout).ok()
    }
}

impl Drop for RuntimeApi {
    fn drop(&mut self) {
        // Errors are ignored, because the function may have exited already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Copies the output line by line until the function exits.
fn copy_log_lines(stdout: ChildStdout, log: &Mutex<String>) {
    for line in BufReader::new(stdout).lines().map_while(Result::ok) {
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        log.push_str(&line);
        log.push('\n');
    }
}

/// Serves each connection in a thread, because a client can keep several open.
fn accept_connections(
    listener: &TcpListener,
    queue: Receiver<String>,
    results: &Sender<Invocation>,
) {
    let shared_queue = Arc::new(Mutex::new(queue));
    for stream in listener.incoming().map_while(Result::ok) {
        let (queue, results) = (Arc::clone(&shared_queue), results.clone());
        thread::spawn(move || serve_connection(stream, &queue, &results));
    }
}

/// Serves one connection until either side closes it.
fn serve_connection(
    stream: TcpStream,
    queue: &Mutex<Receiver<String>>,
    results: &Sender<Invocation>,
) -> Option<()> {
    let mut connection = BufReader::new(stream);
    loop {
        let (path, body) = read_request(&mut connection).ok()??;
        if path.ends_with("/invocation/next") {
            let event = queue
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .recv()
                .ok()?;
            send_next_event(connection.get_mut(), &event).ok()?;
            continue;
        }
        let value = serde_json::from_slice(&body).unwrap_or(Value::Null);
        let result = match path.rsplit('/').next() {
            Some("response") => Invocation::Response(value),
            _ => Invocation::Error(value),
        };
        write_response(
            connection.get_mut(),
            "202 Accepted",
            "",
            "{\"status\":\"OK\"}",
        )
        .ok()?;
        results.send(result).ok()?;
    }
}

/// Reads an HTTP request: path and body. `None` at the end of the connection.
fn read_request(connection: &mut BufReader<TcpStream>) -> io::Result<Option<(String, Vec<u8>)>> {
    let mut line = String::new();
    if connection.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let (mut length, mut chunked) = (0, false);
    loop {
        let mut header_line = String::new();
        connection.read_line(&mut header_line)?;
        let header = header_line.trim_end().to_ascii_lowercase();
        match header.split_once(':') {
            None => break,
            Some(("content-length", value)) => length = value.trim().parse().unwrap_or(0),
            Some(("transfer-encoding", value)) => chunked = value.trim() == "chunked",
            Some(_) => {}
        }
    }
    let mut body = Vec::new();
    if chunked {
        while let Some(mut chunk) = read_chunk(connection)? {
            body.append(&mut chunk);
        }
    } else {
        body.resize(length, 0);
        connection.read_exact(&mut body)?;
    }
    Ok(Some((path, body)))
}

/// Reads a chunk of a chunked body; `None` after the last.
fn read_chunk(connection: &mut BufReader<TcpStream>) -> io::Result<Option<Vec<u8>>> {
    let mut line = String::new();
    connection.read_line(&mut line)?;
    let size = usize::from_str_radix(line.trim(), 16).unwrap_or(0);
    let mut chunk = vec![0; size];
    connection.read_exact(&mut chunk)?;
    connection.read_line(&mut String::new())?;
    Ok((size > 0).then_some(chunk))
}

const FUNCTION_ARN: &str = "arn:aws:lambda:us-east-1:111122223333:function:remediator";

fn send_next_event(stream: &mut TcpStream, event: &str) -> io::Result<()> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let deadline = now.saturating_add(Duration::from_mins(1)).as_millis();
    let headers = format!(
        "Lambda-Runtime-Aws-Request-Id: 8476a536-e9f4-11e8-9739-2dfe598c3fcd\r\n\
         Lambda-Runtime-Deadline-Ms: {deadline}\r\n\
         Lambda-Runtime-Invoked-Function-Arn: {FUNCTION_ARN}\r\n\
         Lambda-Runtime-Trace-Id: Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0\r\n"
    );
    write_response(stream, "200 OK", &headers, event)
}

fn write_response(
    stream: &mut TcpStream,
    status: &str,
    headers: &str,
    body: &str,
) -> io::Result<()> {
    let head = format!(
        "HTTP/1.1 {status}\r\n\
         Content-Type: application/json\r\n\
         Content-Length: {}\r\n\
         {headers}\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())
}
