//! As much HTTP/1.1 as the proxy, the little web server and the double's control need.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
};

/// A request or an answer: its first line, its headers, its body.
#[derive(Clone, Debug, Default)]
pub struct Message {
    pub first: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Message {
    /// An answer.
    pub fn answer(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let headers = vec![("Content-Type".into(), content_type.into())];
        Self { first: format!("HTTP/1.1 {status} -"), headers, body: body.into() }
    }

    /// The first header of a name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Of a request: its method and its target.
    pub fn target(&self) -> (&str, &str) {
        let mut words = self.first.split(' ');
        (words.next().unwrap_or_default(), words.next().unwrap_or_default())
    }

    /// Of an answer: its status.
    pub fn status(&self) -> u16 {
        self.target().1.parse().unwrap_or(0)
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Reads one from a connection; none where it ends before the first byte.
    pub fn read(from: &mut impl Read) -> io::Result<Option<Self>> {
        let mut bytes = vec![];
        let end = loop {
            if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            let mut more = [0; 16384];
            match from.read(&mut more)? {
                0 if bytes.is_empty() => return Ok(None),
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                n => bytes.extend_from_slice(&more[..n]),
            }
        };
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let mut lines = head.lines();
        let first = lines.next().unwrap_or_default().to_owned();
        let header = |line: &str| line.split_once(':').map(|(n, v)| (n.trim().to_owned(), v.trim().to_owned()));
        let mut message = Self { first, headers: lines.filter_map(header).collect(), body: bytes.split_off(end) };
        if message.header("transfer-encoding").is_some() {
            return Err(io::Error::other("chunked bodies are not spoken here"));
        }
        if let Some(length) = message.header("content-length").and_then(|l| l.parse::<usize>().ok()) {
            let missing = length.saturating_sub(message.body.len());
            from.take(missing as u64).read_to_end(&mut message.body)?;
            if message.body.len() < length {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        } else if message.first.starts_with("HTTP/") {
            from.read_to_end(&mut message.body)?;
        }
        Ok(Some(message))
    }

    /// Its bytes; what says where it ends and whether the connection goes on is said anew.
    pub fn bytes(&self, connection: &str) -> Vec<u8> {
        let hop = ["content-length", "connection", "keep-alive"];
        let mut head = format!("{}\r\n", self.first);
        for (name, value) in self.headers.iter().filter(|(n, _)| !hop.contains(&n.to_lowercase().as_str())) {
            head += &format!("{name}: {value}\r\n");
        }
        head += &format!("Content-Length: {}\r\nConnection: {connection}\r\n\r\n", self.body.len());
        [head.into_bytes(), self.body.clone()].concat()
    }
}

/// Sends a request over a connection of its own.
pub fn send(to: SocketAddr, request: &Message) -> io::Result<Message> {
    let mut connection = TcpStream::connect(to)?;
    connection.set_nodelay(true)?;
    connection.write_all(&request.bytes("close"))?;
    Message::read(&mut connection)?.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}
