//! Weaviate's copies, asked of a server that answers as its interface is documented
//! (<https://docs.weaviate.io/deploy/configuration/backups>) and writes copies as a real one does: into a directory.
//!
//! The scripts run with the programs of the image, which are busybox's.

use std::collections::VecDeque;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, bail};

use super::{Backup, Place, SECRET};
use crate::external::process::{output, succeeded};

/// What a server has been asked, and what it says next of a copy that it makes or takes back.
#[derive(Debug, Default)]
struct Server {
    /// Where it writes copies.
    copies: PathBuf,
    /// Whether it holds anything.
    filled: bool,
    /// How a copy stands, one after the other; the last stays.
    states: VecDeque<&'static str>,
    /// `POST /v1/backups/filesystem {"id": "…"}`.
    asked: Vec<String>,
}

impl Server {
    /// Answers on a port of this machine for as long as the program runs.
    fn listening(state: &Arc<Mutex<Self>>) -> anyhow::Result<String> {
        let listener = TcpListener::bind("127.0.0.1:0").context("listening")?;
        let (port, state) = (listener.local_addr()?.port(), Arc::clone(state));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                // One that hangs up is seen in what it then says.
                drop(answer(stream, &state));
            }
        });
        Ok(port.to_string())
    }

    fn hear(&mut self, request: &str, body: &str) -> (&'static str, String) {
        self.asked.push(format!("{request} {body}").trim_end().to_owned());
        let copy = |id: &str, status: &str| format!(r#"{{"backend":"filesystem","id":"{id}","status":"{status}"}}"#);
        let (method, path) = request.split_once(' ').unwrap_or_default();
        match (method, path.trim_start_matches("/v1/").split('/').collect::<Vec<_>>().as_slice()) {
            ("GET", ["schema"]) if self.filled => {
                // Long enough to be sent in parts, some of which look like lengths of others.
                let classes: Vec<String> = (0..300).map(|at| format!(r#"{{"class":"Abc{at}"}}"#)).collect();
                ("200 OK", format!(r#"{{"classes":[{}]}}"#, classes.join(",")))
            }
            ("GET", ["schema"]) => ("200 OK", r#"{"classes":[]}"#.to_owned()),
            ("POST", ["backups", "filesystem"]) => {
                let id = body.split('"').nth(3).unwrap_or_default().to_owned();
                match fs::create_dir_all(self.copies.join(&id)) {
                    Ok(()) => ("200 OK", copy(&id, "STARTED")),
                    Err(error) => ("422 Unprocessable Entity", format!(r#"{{"error":[{{"message":"{error}"}}]}}"#)),
                }
            }
            ("POST", ["backups", "filesystem", id, "restore"]) if self.filled => {
                ("422 Unprocessable Entity", format!(r#"{{"error":[{{"message":"{id}: already exists"}}]}}"#))
            }
            ("POST", ["backups", "filesystem", id, "restore"]) => ("200 OK", copy(id, "STARTED")),
            ("GET", ["backups", "filesystem", id] | ["backups", "filesystem", id, "restore"]) => {
                let state = if self.states.len() > 1 { self.states.pop_front() } else { self.states.front().copied() };
                ("200 OK", copy(id, state.unwrap_or("SUCCESS")))
            }
            _ => ("404 Not Found", String::new()),
        }
    }
}

/// Reads one request and answers it, in parts. Who has not the key, or has hung up, is turned away.
fn answer(mut stream: TcpStream, state: &Mutex<Server>) -> anyhow::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut head, mut line) = (Vec::new(), String::new());
    while reader.read_line(&mut line)? > 0 && line != "\r\n" {
        head.push(line.trim_end().to_owned());
        line.clear();
    }
    let header = |name: &str| head.iter().find_map(|line| line.strip_prefix(name)).unwrap_or_default().to_owned();
    let mut body = vec![0; header("Content-Length: ").parse()?];
    reader.read_exact(&mut body)?;
    stream.set_nonblocking(true)?;
    let gone = reader.fill_buf().is_ok_and(<[u8]>::is_empty);
    stream.set_nonblocking(false)?;
    let request = head.first().and_then(|line| line.strip_suffix(" HTTP/1.1")).unwrap_or_default();
    let let_in = header("Authorization: ") == format!("Bearer {}", SECRET.trim_end());
    let (status, text) = match (gone, let_in) {
        (true, _) => ("499 Client Closed Request", String::new()),
        (_, false) => ("401 Unauthorized", String::new()),
        _ => {
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            state.hear(request, &String::from_utf8_lossy(&body))
        }
    };
    write!(stream, "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")?;
    for part in text.as_bytes().chunks(1000) {
        write!(stream, "{:x}\r\n", part.len())?;
        stream.write_all(part)?;
        write!(stream, "\r\n")?;
    }
    Ok(write!(stream, "0\r\n\r\n")?)
}

pub(super) fn play(busybox: &Path, backup: &Backup<'_>) -> anyhow::Result<String> {
    let place = Place::new("weaviate")?;
    let programs = place.root.join("programs");
    fs::create_dir_all(&programs)?;
    succeeded(Command::new(busybox).args(["--install", "-s"]).arg(&programs), "laying busybox out")?;
    let copies = PathBuf::from(place.copies()?);
    let state = Arc::new(Mutex::new(Server { copies: copies.clone(), ..Server::default() }));
    let port = Server::listening(&state)?;
    let path = format!("{}:/usr/bin:/bin", programs.display());
    let here = [("WEAVIATE_HOST", "127.0.0.1"), ("WEAVIATE_PORT", port.as_str()), ("PATH", path.as_str())];
    let run = |script: &str, filled: bool, states: &[&'static str], more: &[(&str, &str)]| -> anyhow::Result<Run> {
        {
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            (state.filled, state.states) = (filled, states.iter().copied().collect());
            state.asked.clear();
        }
        let ended = output(&mut backup.script(script, &place, &[&here[..], more].concat())?)?;
        let mut left: Vec<String> = Vec::new();
        for entry in fs::read_dir(&copies)? {
            left.push(entry?.file_name().to_string_lossy().into_owned());
        }
        left.sort();
        let asked = state.lock().unwrap_or_else(PoisonError::into_inner).asked.clone();
        let told = format!("{}{}", String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
        if told.contains(SECRET.trim_end()) {
            bail!("{script} tells its key:\n{told}");
        }
        Ok(Run { well: ended.status.success(), told, asked, left })
    };
    let old = "20200101t000000z";
    fs::create_dir_all(copies.join(old))?;
    place.hand_over()?;

    let schema = "GET /v1/schema";
    let ran = run("backup.sh", false, &[], &[("KEEP", "1")])?;
    ran.expect(true, &[schema], &[old], "nothing to copy")?;
    let ran = run("backup.sh", true, &["TRANSFERRING", "FAILED"], &[("KEEP", "1")])?;
    let of = ran.id()?;
    let status = format!("GET /v1/backups/filesystem/{of}");
    let begin = format!("POST /v1/backups/filesystem {{\"id\": \"{of}\"}}");
    ran.expect(false, &[schema, &begin, &status, &status], &[old], "a copy that fails")?;
    let ran = run("backup.sh", true, &["STARTED", "TRANSFERRED", "SUCCESS"], &[("KEEP", "1")])?;
    let of = ran.id()?;
    let status = format!("GET /v1/backups/filesystem/{of}");
    let begin = format!("POST /v1/backups/filesystem {{\"id\": \"{of}\"}}");
    ran.expect(true, &[schema, &begin, &status, &status, &status], &[&of], "a copy, and the one before it")?;

    let back = format!("/v1/backups/filesystem/{of}/restore");
    let (begin, status) = (format!("POST {back} {{}}"), format!("GET {back}"));
    let ran = run("restore.sh", false, &["STARTED", "SUCCESS"], &[])?;
    ran.expect(true, &[schema, &begin, &status, &status], &[&of], "a restore")?;
    let ran = run("restore.sh", false, &["CANCELED"], &[("COPY", &of)])?;
    ran.expect(false, &[schema, &begin, &status], &[&of], "a restore that somebody ends")?;
    let ran = run("restore.sh", true, &[], &[])?;
    ran.expect(false, &[schema, &begin], &[&of], "a restore over what is there")?;
    if !ran.told.contains("Abc0 Abc1 ") || !ran.told.contains("already exists") {
        bail!("a restore over what is there does not say so:\n{}", ran.told);
    }
    run("restore.sh", false, &[], &[("COPY", "none")])?.expect(false, &[], &[&of], "a copy that is not there")?;
    Ok("its scripts ask what is documented, and end as they are answered".to_owned())
}

/// What a script did.
struct Run {
    well: bool,
    told: String,
    asked: Vec<String>,
    /// The copies that are there afterwards.
    left: Vec<String>,
}

impl Run {
    /// The copy that was asked for.
    fn id(&self) -> anyhow::Result<String> {
        let asked = self.asked.iter().find_map(|asked| asked.strip_prefix("POST /v1/backups/filesystem {\"id\": \""));
        let id = asked.and_then(|rest| rest.strip_suffix("\"}"));
        Ok(id.with_context(|| format!("no copy was asked for:\n{}\n{:?}", self.told, self.asked))?.to_owned())
    }

    fn expect(&self, well: bool, asked: &[&str], left: &[&str], what: &str) -> anyhow::Result<()> {
        if self.well != well || self.asked != asked || self.left != left {
            bail!(
                "{what}: ended {}, asked {:?}, left {:?}; wanted {well}, {asked:?}, {left:?}:\n{}",
                self.well,
                self.asked,
                self.left,
                self.told
            );
        }
        Ok(())
    }
}
