//! The messages of a process on standard input and output, and of a connection of lines.

use std::io::{self, Read};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::{Conversation, is_on};

/// Hears what is written to a process, and lends `Recorded` to hear what it says.
pub struct LineRecorder {
    conversation: Arc<Mutex<Conversation>>,
    begun: Vec<u8>,
}

impl Default for LineRecorder {
    fn default() -> Self {
        let conversation = Conversation { is_bare: true, ..Conversation::default() };
        Self { conversation: Arc::new(Mutex::new(conversation)), begun: Vec::new() }
    }
}

impl LineRecorder {
    /// Bytes are about to be written to the process.
    pub fn sent(&mut self, bytes: &[u8]) {
        if is_on() {
            self.begun.extend_from_slice(bytes);
            for line in whole_lines(&mut self.begun) {
                self.sent_line(&line);
            }
        }
    }

    /// A message has come.
    pub fn received(&self, message: &Value) {
        if is_on() {
            self.conversation.lock().unwrap().received(message);
        }
    }

    /// Nothing more will be written: a line without an end is one, too.
    pub fn finish(&mut self) {
        let line = std::mem::take(&mut self.begun);
        self.sent_line(&line);
    }

    fn sent_line(&self, line: &[u8]) {
        // A line that is no JSON has no id that an answer could name.
        if let Ok(message) = serde_json::from_slice(line) {
            self.conversation.lock().unwrap().sent(message);
        }
    }

    /// The output of the process, heard while it is read.
    pub fn heard<R>(&self, source: R) -> Recorded<R> {
        Recorded { source, conversation: Arc::clone(&self.conversation), begun: Vec::new() }
    }
}

/// A reader whose lines are written down.
pub struct Recorded<R> {
    source: R,
    conversation: Arc<Mutex<Conversation>>,
    begun: Vec<u8>,
}

impl<R: Read> Read for Recorded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        if is_on() {
            self.begun.extend_from_slice(&buffer[..count]);
            for line in whole_lines(&mut self.begun) {
                let message = serde_json::from_slice(&line).unwrap();
                self.conversation.lock().unwrap().received(&message);
            }
        }
        Ok(count)
    }
}

/// Takes the lines that have an end.
fn whole_lines(bytes: &mut Vec<u8>) -> Vec<Vec<u8>> {
    let Some(last) = bytes.iter().rposition(|byte| *byte == b'\n') else { return Vec::new() };
    let whole: Vec<u8> = bytes.drain(..=last).collect();
    whole.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(<[u8]>::to_vec).collect()
}
