//! The worker threads: each takes a connection that has something to do and runs one step of it. A
//! worker waits for its queue and for nothing else.

use std::io;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::connection::scratch::Scratch;
use crate::connection::slot::{Ready, Slot};

/// Bytes of a worker's stack; schemas may recurse.
const STACK: usize = 2 * 1024 * 1024;

/// The queue of connections that have something to do.
#[derive(Debug)]
pub struct ReadyQueue {
    sender: Sender<Arc<Slot>>,
    receiver: Receiver<Arc<Slot>>,
}

impl ReadyQueue {
    /// A queue with room for every connection there can be.
    pub fn new(connections: usize) -> Arc<Self> {
        let (sender, receiver) = bounded(connections.saturating_add(1));
        Arc::new(Self { sender, receiver })
    }

    /// Takes a connection out, if one waits.
    pub fn try_pop(&self) -> Option<Arc<Slot>> {
        self.receiver.try_recv().ok()
    }
}

impl Ready for ReadyQueue {
    fn push(&self, slot: Arc<Slot>) {
        // There is room: each connection is in the queue at most once.
        if self.sender.try_send(slot).is_err() {
            log::error!("the queue of ready connections is full");
        }
    }
}

/// Starts the workers. They end with the process.
pub fn start(count: usize, queue: &Arc<ReadyQueue>) -> io::Result<Vec<JoinHandle<()>>> {
    let start_one = |number: usize| {
        let receiver = queue.receiver.clone();
        Builder::new().name(format!("worker-{number}")).stack_size(STACK).spawn(move || {
            let mut scratch = Scratch::default();
            for slot in receiver {
                slot.run(&mut scratch);
            }
        })
    };
    (1..=count).map(start_one).collect()
}
