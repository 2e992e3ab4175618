//! Chromium's DevTools protocol over two pipes: JSON both ways, separated by NUL.
//! <https://chromedevtools.github.io/devtools-protocol/>

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel, sync_channel};
use std::time::Duration;

/// Messages that wait to be looked at; the browser waits when there are more.
const WAITING_MAX: usize = 256;

/// Both ends.
pub(super) struct Pipe {
    outgoing: Sender<Vec<u8>>,
    incoming: Receiver<Result<Vec<u8>, Broken>>,
    next_id: u64,
}

/// Why nothing more comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Broken {
    /// The other side has closed its end.
    Closed,
    /// What comes is no message.
    Garbage(String),
}

/// Where a message belongs: the browser itself, or one of its pages and workers.
pub(super) type Session = Option<String>;

impl Pipe {
    /// Talks through a program's input and output. No message may be longer than `bytes_max`.
    pub(super) fn new(
        mut input: impl Write + Send + 'static,
        output: impl Read + Send + 'static,
        bytes_max: usize,
    ) -> Self {
        // A thread each: a browser that does not read must not hold up the one who would end it.
        let (outgoing, orders) = channel::<Vec<u8>>();
        std::thread::spawn(move || {
            for message in orders {
                if input.write_all(&message).and_then(|()| input.flush()).is_err() {
                    return;
                }
            }
        });
        let (news, incoming) = sync_channel(WAITING_MAX);
        std::thread::spawn(move || {
            let mut output = BufReader::with_capacity(64 << 10, output);
            loop {
                let message = read_message(&mut output, bytes_max);
                let is_last = message.is_err();
                if news.send(message).is_err() || is_last {
                    return;
                }
            }
        });
        Self { outgoing, incoming, next_id: 1 }
    }

    /// Sends a command; its answer will have the number that is returned.
    pub(super) fn send(&mut self, session: &Session, method: &str, params: Value) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        let mut message = json!({ "id": id, "method": method, "params": params });
        if let Some(session) = session {
            message["sessionId"] = Value::from(session.as_str());
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        // Where nobody listens any more, nothing will be answered, and that is noticed.
        let _ = self.outgoing.send(bytes);
        id
    }

    /// The next message, or none within that time.
    pub(super) fn next(&mut self, wait: Duration) -> Result<Option<Value>, Broken> {
        match self.incoming.recv_timeout(wait) {
            Ok(message) => {
                let message = serde_json::from_slice(&message?);
                message.map(Some).map_err(|error| Broken::Garbage(format!("a message that is no JSON: {error}")))
            }
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(Broken::Closed),
        }
    }
}

fn read_message(output: &mut impl BufRead, bytes_max: usize) -> Result<Vec<u8>, Broken> {
    let mut message = Vec::new();
    let read = output.take(bytes_max as u64 + 1).read_until(0, &mut message);
    match (read, message.pop()) {
        (Ok(_), Some(0)) => Ok(message),
        (Ok(_), Some(_)) if message.len() >= bytes_max => {
            Err(Broken::Garbage(format!("a message of more than {bytes_max} bytes")))
        }
        _ => Err(Broken::Closed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_cut_at_nul_and_bounded() {
        let read = |mut bytes: &[u8]| read_message(&mut bytes, 4);
        assert_eq!(read(b"1234\0rest"), Ok(b"1234".to_vec()));
        assert_eq!(read(b"\0"), Ok(Vec::new()));
        assert_eq!(read(b"12345\0"), Err(Broken::Garbage("a message of more than 4 bytes".to_owned())));
        assert_eq!(read(b"123"), Err(Broken::Closed));
        assert_eq!(read(b""), Err(Broken::Closed));
    }
}
