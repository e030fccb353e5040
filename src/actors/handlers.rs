//! Threads that run what may block, so that workers need not: handlers of calls, and requests to
//! other servers. They are started as they are needed, up to a bound, and their queue has one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::Builder;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

use crate::pipeline::services::{Job, Jobs};

/// Bytes of a handler's stack.
const STACK: usize = 2 * 1024 * 1024;

/// Threads for one kind of work; see the module.
#[derive(Debug)]
pub struct Handlers {
    name: &'static str,
    most: usize,
    sender: Sender<Job>,
    receiver: Receiver<Job>,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    threads: AtomicUsize,
    /// Jobs that were taken and are not done.
    jobs: AtomicUsize,
}

impl Handlers {
    /// At most `most` threads called `name-1` and so on, and `waiting` jobs that wait for one.
    pub fn new(name: &'static str, most: usize, waiting: usize) -> Self {
        let (sender, receiver) = bounded(waiting.max(1));
        Self { name, most: most.max(1), sender, receiver, counts: Arc::default() }
    }

    /// Starts one more thread if there are more jobs than threads, and there may be more threads.
    fn grow(&self, jobs: usize) {
        let counts = &self.counts;
        let more = |threads: usize| Some(threads + 1).filter(|_| threads < jobs.min(self.most));
        let Ok(number) = counts.threads.fetch_update(Ordering::AcqRel, Ordering::Acquire, more)
        else {
            return;
        };
        let (receiver, their_counts) = (self.receiver.clone(), Arc::clone(counts));
        let started = Builder::new()
            .name(format!("{}-{}", self.name, number + 1))
            .stack_size(STACK)
            .spawn(move || run(&receiver, &their_counts));
        if let Err(error) = started {
            counts.threads.fetch_sub(1, Ordering::AcqRel);
            log::error!("a thread could not be started: {error}");
        }
    }
}

fn run(receiver: &Receiver<Job>, counts: &Counts) {
    while let Ok(job) = receiver.recv() {
        job();
        counts.jobs.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Jobs for Handlers {
    fn submit(&self, job: Job) -> Result<(), Job> {
        let jobs = self.counts.jobs.fetch_add(1, Ordering::AcqRel) + 1;
        self.grow(jobs);
        self.sender.try_send(job).map_err(|error| {
            self.counts.jobs.fetch_sub(1, Ordering::AcqRel);
            match error {
                TrySendError::Full(job) | TrySendError::Disconnected(job) => job,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::time::Duration;

    use super::*;

    /// Longer than anything here takes.
    const ENOUGH: Duration = Duration::from_secs(30);

    #[test]
    fn jobs_run_at_once_up_to_the_bound_and_wait_up_to_another() {
        let handlers = Handlers::new("handler", 2, 1);
        let (release, gate) = bounded::<()>(0);
        let (started, starts) = bounded(10);
        let job = || -> Job {
            let (gate, started) = (gate.clone(), started.clone());
            Box::new(move || {
                let _ = started.send(());
                let _ = gate.recv();
            })
        };
        for _ in 0..2 {
            assert!(handlers.submit(job()).is_ok());
            starts.recv().unwrap();
        }
        assert!(handlers.submit(job()).is_ok(), "one waits");
        assert!(handlers.submit(job()).is_err(), "two do not");
        for _ in 0..2 {
            release.send(()).unwrap();
        }
        starts.recv().unwrap();
        release.send(()).unwrap();
    }

    /// Two jobs, each of which ends well only while the other one runs.
    fn meeting(met: &Sender<bool>) -> [Job; 2] {
        let (one, other) = (bounded::<()>(1), bounded::<()>(1));
        [(one.0.clone(), other.1.clone()), (other.0, one.1)].map(|(hello, answer)| -> Job {
            let met = met.clone();
            Box::new(move || {
                let _ = hello.send(());
                let _ = met.send(answer.recv_timeout(ENOUGH).is_ok());
            })
        })
    }

    #[test]
    fn two_jobs_at_once_never_wait_for_each_other() {
        for round in 0..1_000 {
            let handlers = Handlers::new("handler", 16, 64);
            let (met, meetings) = bounded(2);
            // One thread is there and free, or about to be.
            let first = met.clone();
            let job: Job = Box::new(move || {
                let _ = first.send(true);
            });
            assert!(handlers.submit(job).is_ok());
            assert_eq!(meetings.recv(), Ok(true));
            std::thread::yield_now();
            let together = Barrier::new(2);
            std::thread::scope(|scope| {
                for job in meeting(&met) {
                    scope.spawn(|| {
                        together.wait();
                        assert!(handlers.submit(job).is_ok());
                    });
                }
            });
            for _ in 0..2 {
                assert_eq!(meetings.recv(), Ok(true), "round {round}");
            }
        }
    }
}
