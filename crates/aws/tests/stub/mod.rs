//! A stand-in for EC2, SNS and SSM on a real socket: canned answers by action, in order, and a record of what was asked.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

/// What happens to one request.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// An answer with this status and body.
    Answer(u16, String),
    /// An answer, once a request of this action has been seen too.
    After(&'static str, String),
    /// An answer after a while.
    Slow(Duration, String),
    /// An answer, and then the server closes the connection without a word, as after an idle time.
    ThenGone(String),
    /// The connection is closed instead of an answer.
    Gone,
    /// Half an answer, then the connection is closed.
    Half,
    /// Nothing, for longer than anybody waits.
    Silence,
    /// Whatever this says.
    Judge(fn(&Request) -> Reply),
}

/// One request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// The connection it came over, counted from 0.
    pub(crate) connection: usize,
    /// Header lines.
    pub(crate) head: String,
    /// The body as it came.
    pub(crate) body: String,
    /// The decoded form. SSM speaks JSON: of its requests only `Action` is here.
    pub(crate) form: BTreeMap<String, String>,
}

impl Request {
    /// A value of the form; empty when it is not there.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.form.get(name).map_or("", String::as_str)
    }

    /// The fields that begin so, as `rest=value`.
    pub(crate) fn below(&self, prefix: &str) -> Vec<String> {
        let fields = self.form.iter();
        fields
            .filter_map(|(name, value)| Some(format!("{}={value}", name.strip_prefix(prefix)?)))
            .collect()
    }
}

#[derive(Debug, Default)]
struct State {
    replies: BTreeMap<String, VecDeque<Reply>>,
    seen: Vec<Request>,
    running: usize,
    most: usize,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

/// The server. Its thread lives as long as the test's process.
#[derive(Debug)]
pub(crate) struct Stub {
    shared: Arc<Shared>,
    /// Where it listens.
    pub(crate) url: String,
}

impl Stub {
    /// Starts with these answers. The last one of an action is given again and again.
    pub(crate) fn start<const N: usize>(replies: [(&str, Reply); N]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared::default());
        let served = Arc::clone(&shared);
        thread::spawn(move || {
            for (connection, stream) in listener.incoming().enumerate() {
                let shared = Arc::clone(&served);
                thread::spawn(move || serve(&shared, connection, stream.unwrap()));
            }
        });
        let stub = Self { shared, url };
        for (action, reply) in replies {
            stub.add(action, reply);
        }
        stub
    }

    /// One more answer.
    pub(crate) fn add(&self, action: &str, reply: Reply) {
        let mut state = self.shared.state.lock().unwrap();
        let queue = state.replies.entry(action.to_owned()).or_default();
        queue.push_back(reply);
    }

    /// All requests so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.shared.state.lock().unwrap().seen.clone()
    }

    /// The requests of one action.
    pub(crate) fn of(&self, action: &str) -> Vec<Request> {
        let requests = self.requests().into_iter();
        requests
            .filter(|request| request.get("Action") == action)
            .collect()
    }

    /// The most requests that were being answered at the same time.
    pub(crate) fn most_at_once(&self) -> usize {
        self.shared.state.lock().unwrap().most
    }
}

fn serve(shared: &Shared, connection: usize, stream: TcpStream) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    while let Some(mut request) = read(&mut reader) {
        request.connection = connection;
        let reply = take(shared, request);
        let stays = answer(shared, &mut stream, reply);
        shared.state.lock().unwrap().running -= 1;
        if !stays {
            return;
        }
    }
}

fn take(shared: &Shared, request: Request) -> Reply {
    let mut state = shared.state.lock().unwrap();
    let queue = state.replies.get_mut(request.get("Action"));
    let reply = match queue {
        Some(queue) if queue.len() > 1 => queue.pop_front(),
        Some(queue) => queue.front().cloned(),
        None => None,
    };
    let reply = match reply {
        Some(Reply::Judge(judge)) => Some(judge(&request)),
        other => other,
    };
    state.seen.push(request);
    state.running += 1;
    state.most = state.most.max(state.running);
    shared.changed.notify_all();
    reply.unwrap_or_else(|| Reply::Answer(400, error("NothingPrepared", "no such answer")))
}

/// Answers; says whether the connection stays open.
fn answer(shared: &Shared, stream: &mut TcpStream, reply: Reply) -> bool {
    match reply {
        Reply::Answer(status, body) => send(stream, status, &body),
        Reply::After(action, body) => {
            let state = shared.state.lock().unwrap();
            let is_alone = |state: &mut State| {
                !state
                    .seen
                    .iter()
                    .any(|request| request.get("Action") == action)
            };
            let limit = Duration::from_secs(3);
            drop(
                shared
                    .changed
                    .wait_timeout_while(state, limit, is_alone)
                    .unwrap(),
            );
            send(stream, 200, &body)
        }
        Reply::Slow(time, body) => {
            thread::sleep(time);
            send(stream, 200, &body)
        }
        Reply::ThenGone(body) => {
            send(stream, 200, &body);
            false
        }
        Reply::Gone | Reply::Judge(_) => false,
        Reply::Half => {
            let half = "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n<Describe";
            stream.write_all(half.as_bytes()).unwrap();
            false
        }
        Reply::Silence => {
            thread::sleep(Duration::from_secs(30));
            false
        }
    }
}

fn send(stream: &mut TcpStream, status: u16, body: &str) -> bool {
    let mut text = format!("HTTP/1.1 {status} Whatever\r\nx-amzn-requestid: r-42\r\n");
    write!(
        text,
        "content-type: text/xml\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    stream.write_all(text.as_bytes()).is_ok()
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Request> {
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
    let mut form = form(&body);
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

fn form(body: &str) -> BTreeMap<String, String> {
    body.split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (decode(name), decode(value)))
        .collect()
}

fn decode(text: &str) -> String {
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

/// An answer of EC2 with this inside.
pub(crate) fn ok(action: &str, inside: &str) -> Reply {
    Reply::Answer(200, xml(action, inside))
}

/// The body of an answer of EC2.
pub(crate) fn xml(action: &str, inside: &str) -> String {
    format!(
        "<{action}Response xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\">\
         <requestId>r-42</requestId>{inside}</{action}Response>"
    )
}

/// A refusal of EC2.
pub(crate) fn refused(status: u16, code: &str) -> Reply {
    Reply::Answer(status, error(code, "so it is"))
}

fn error(code: &str, message: &str) -> String {
    format!(
        "<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors>\
         <RequestID>r-42</RequestID></Response>"
    )
}
