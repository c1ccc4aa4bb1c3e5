//! Whose turn it is to use the connection, and on which thread.

use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};

use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::storage::Error;

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// A connection that one caller at a time uses.
pub(super) enum Turn {
    /// On the caller's thread. No turn lasts across an await.
    Here(Box<Mutex<Connection>>),
    /// On a thread that ends with this value. As many jobs wait as callers do.
    Thread { jobs: Option<Sender<Job>>, thread: Option<JoinHandle<()>> },
}

impl Turn {
    pub(super) fn here(connection: Connection) -> Self {
        Self::Here(Box::new(Mutex::new(connection)))
    }

    pub(super) fn on_thread(mut connection: Connection) -> Result<Self, Error> {
        let (jobs, queue) = channel::<Job>();
        let serve = move || {
            for job in queue {
                job(&mut connection);
            }
        };
        let thread = Builder::new().name("sqlite".to_owned()).spawn(serve);
        let thread = thread.map_err(|error| Error::Failed(error.to_string()))?;
        Ok(Self::Thread { jobs: Some(jobs), thread: Some(thread) })
    }

    /// Runs `work` when it is its turn. It may run although the returned future is dropped.
    pub(super) async fn take<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        match self {
            Self::Here(connection) => {
                // A panic in another's turn has rolled its transaction back.
                work(&mut connection.lock().unwrap_or_else(PoisonError::into_inner))
            }
            Self::Thread { jobs, .. } => {
                let ended = || Error::Failed("the database's thread has ended".to_owned());
                let (answer, answered) = oneshot::channel();
                let job: Job = Box::new(move |connection| {
                    // Who asked may be gone.
                    drop(answer.send(work(connection)));
                });
                jobs.as_ref().ok_or_else(ended)?.send(job).map_err(|_| ended())?;
                answered.await.map_err(|_| ended())?
            }
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Self::Thread { jobs, thread } = self {
            drop(jobs.take());
            if let Some(thread) = thread.take() {
                drop(thread.join());
            }
        }
    }
}
