//! A stub of EC2, SNS and SSM on a real socket: it returns prepared responses per action, in order,
//! and records the requests.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

/// How the stub replies to a request.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// A response with this status and body.
    Response(u16, String),
    /// A response, once a request of this action has been received too.
    After(&'static str, String),
    /// A response after this delay.
    Delayed(Duration, String),
    /// A response, after which the server closes the connection, as after an idle timeout.
    ThenClose(String),
    /// The connection is closed without a response.
    Close,
    /// Half a response, then the connection is closed.
    Truncated,
    /// No response, for longer than any client waits.
    Hang,
    /// The reply that this function chooses.
    Dynamic(fn(&Request) -> Reply),
}

/// A received request.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// The number of the connection, starting at 0.
    pub(crate) connection: usize,
    /// Header lines.
    pub(crate) head: String,
    /// The raw body.
    pub(crate) body: String,
    /// The decoded form. SSM uses JSON, so its requests have only `Action` here.
    pub(crate) form: BTreeMap<String, String>,
}

impl Request {
    /// A form value; empty when it is missing.
    pub(crate) fn form_value(&self, name: &str) -> &str {
        self.form.get(name).map_or("", String::as_str)
    }

    /// The form fields with this prefix, as `rest=value`.
    pub(crate) fn fields_with_prefix(&self, prefix: &str) -> Vec<String> {
        let fields = self.form.iter();
        fields
            .filter_map(|(name, value)| Some(format!("{}={value}", name.strip_prefix(prefix)?)))
            .collect()
    }
}

#[derive(Debug, Default)]
struct State {
    replies: BTreeMap<String, VecDeque<Reply>>,
    requests: Vec<Request>,
    active: usize,
    max_active: usize,
}

impl State {
    fn has_request(&self, action: &str) -> bool {
        self.requests
            .iter()
            .any(|request| request.form_value("Action") == action)
    }
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

/// The server. Its threads run until the test process exits.
#[derive(Debug)]
pub(crate) struct Stub {
    shared: Arc<Shared>,
    /// The URL it listens on.
    pub(crate) url: String,
}

impl Stub {
    /// Starts the server with these replies. The last reply for an action is repeated.
    pub(crate) fn start<const N: usize>(replies: [(&str, Reply); N]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared::default());
        let served = Arc::clone(&shared);
        thread::spawn(move || {
            for (connection, stream) in listener.incoming().enumerate() {
                let shared = Arc::clone(&served);
                thread::spawn(move || serve_connection(&shared, connection, stream.unwrap()));
            }
        });
        let stub = Self { shared, url };
        for (action, reply) in replies {
            stub.add_reply(action, reply);
        }
        stub
    }

    /// Adds a reply.
    pub(crate) fn add_reply(&self, action: &str, reply: Reply) {
        let mut state = self.shared.state.lock().unwrap();
        let queue = state.replies.entry(action.to_owned()).or_default();
        queue.push_back(reply);
    }

    /// All requests so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.shared.state.lock().unwrap().requests.clone()
    }

    /// The requests with this action.
    pub(crate) fn requests_for(&self, action: &str) -> Vec<Request> {
        let requests = self.requests().into_iter();
        requests
            .filter(|request| request.form_value("Action") == action)
            .collect()
    }

    /// The highest number of requests that were active at the same time.
    pub(crate) fn max_concurrency(&self) -> usize {
        self.shared.state.lock().unwrap().max_active
    }
}

fn serve_connection(shared: &Shared, connection: usize, stream: TcpStream) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    while let Some(mut request) = read_request(&mut reader) {
        request.connection = connection;
        let reply = next_reply(shared, request);
        let keep_open = send_reply(shared, &mut stream, reply);
        shared.state.lock().unwrap().active -= 1;
        if !keep_open {
            return;
        }
    }
}

fn next_reply(shared: &Shared, request: Request) -> Reply {
    let mut state = shared.state.lock().unwrap();
    let queue = state.replies.get_mut(request.form_value("Action"));
    let reply = match queue {
        Some(queue) if queue.len() > 1 => queue.pop_front(),
        Some(queue) => queue.front().cloned(),
        None => None,
    };
    let reply = match reply {
        Some(Reply::Dynamic(choose)) => Some(choose(&request)),
        other => other,
    };
    state.requests.push(request);
    state.active += 1;
    state.max_active = state.max_active.max(state.active);
    shared.changed.notify_all();
    reply.unwrap_or_else(|| Reply::Response(400, error_body("NoReply", "no reply is prepared")))
}

/// Sends the reply. Returns whether the connection stays open.
fn send_reply(shared: &Shared, stream: &mut TcpStream, reply: Reply) -> bool {
    match reply {
        Reply::Response(status, body) => send_response(stream, status, &body),
        Reply::After(action, body) => {
            let state = shared.state.lock().unwrap();
            let waited =
                shared
                    .changed
                    .wait_timeout_while(state, Duration::from_secs(3), |state| {
                        !state.has_request(action)
                    });
            drop(waited.unwrap());
            send_response(stream, 200, &body)
        }
        Reply::Delayed(delay, body) => {
            thread::sleep(delay);
            send_response(stream, 200, &body)
        }
        Reply::ThenClose(body) => {
            send_response(stream, 200, &body);
            false
        }
        Reply::Close | Reply::Dynamic(_) => false,
        Reply::Truncated => {
            let start = "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n<Describe";
            stream.write_all(start.as_bytes()).unwrap();
            false
        }
        Reply::Hang => {
            thread::sleep(Duration::from_secs(30));
            false
        }
    }
}

fn send_response(stream: &mut TcpStream, status: u16, body: &str) -> bool {
    let mut text = format!("HTTP/1.1 {status} Whatever\r\nx-amzn-requestid: r-42\r\n");
    write!(
        text,
        "content-type: text/xml\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    stream.write_all(text.as_bytes()).is_ok()
}

fn read_request(reader: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let length = head
        .to_lowercase()
        .lines()
        .find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok())
        .unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let body = String::from_utf8(body).unwrap();
    let mut form = decode_form(&body);
    let target = head
        .lines()
        .find_map(|line| line.strip_prefix("x-amz-target: AmazonSSM."));
    form.extend(target.map(|action| ("Action".to_owned(), action.trim().to_owned())));
    Some(Request {
        connection: 0,
        head,
        body,
        form,
    })
}

fn decode_form(body: &str) -> BTreeMap<String, String> {
    body.split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (percent_decode(name), percent_decode(value)))
        .collect()
}

fn percent_decode(text: &str) -> String {
    let mut bytes = text.bytes();
    let mut decoded = Vec::new();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [bytes.next().unwrap(), bytes.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            other => other,
        });
    }
    String::from_utf8(decoded).unwrap()
}

/// A successful EC2 response with this content.
pub(crate) fn ec2_response(action: &str, content: &str) -> Reply {
    Reply::Response(200, ec2_body(action, content))
}

/// The body of an EC2 response.
pub(crate) fn ec2_body(action: &str, content: &str) -> String {
    format!(
        "<{action}Response xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\">\
         <requestId>r-42</requestId>{content}</{action}Response>"
    )
}

/// An EC2 error response.
pub(crate) fn ec2_error(status: u16, code: &str) -> Reply {
    Reply::Response(status, error_body(code, "details"))
}

fn error_body(code: &str, message: &str) -> String {
    format!(
        "<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors>\
         <RequestID>r-42</RequestID></Response>"
    )
}
