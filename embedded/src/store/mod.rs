//! The store: every object in memory for reading, one writer that runs transactions one after the other and makes a
//! whole batch of them durable with a single commit before any of them is answered. Knows nothing of Kubernetes' rules.

mod disk;
mod file;
mod image;
mod stored;
mod txn;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, mpsc};
use std::thread::JoinHandle;

use tokio::sync::{oneshot, watch};

use self::disk::{Commit, Disk, Loaded};
pub(crate) use self::disk::{DiskError, holder_path};
pub(crate) use self::image::{Change, Image, Key, Listed};
pub(crate) use self::stored::Object;
pub(crate) use self::txn::Txn;
use crate::clock::Clock;

/// How many transactions may share one commit.
const BATCH: usize = 512;

/// What runs on the writer: changes the transaction and hands back what to do once the commit is known.
type Work = Box<dyn FnOnce(&mut Txn<'_>) -> Answer + Send>;
type Answer = Box<dyn FnOnce(Result<(), CommitError>) + Send>;

enum Message {
    Work(Work),
    Stop,
}

/// A batch that could not be made durable; none of it has happened.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum CommitError {
    /// The disk refused.
    #[error("the change could not be written to the store: {0}")]
    Disk(String),
    /// The store has been closed.
    #[error("the store has been closed")]
    Closed,
}

/// The store, shared by all requests and controllers.
pub(crate) struct Store {
    image: Arc<RwLock<Image>>,
    revision: watch::Receiver<u64>,
    sender: mpsc::Sender<Message>,
    writer: Mutex<Option<JoinHandle<()>>>,
    clock: Arc<dyn Clock>,
}

impl Store {
    /// Opens a durable store, or an empty one in memory where `path` is none.
    pub(crate) fn open(path: Option<&Path>, window: usize, clock: Arc<dyn Clock>) -> Result<Store, DiskError> {
        let (disk, loaded) = match path {
            Some(path) => Disk::open(path).map(|(disk, loaded)| (Some(disk), loaded))?,
            None => (None, Loaded::default()),
        };
        let (image, forgotten) = Image::loaded(loaded, window)?;
        let (revision_sender, revision) = watch::channel(image.revision);
        let image = Arc::new(RwLock::new(image));
        let (sender, receiver) = mpsc::channel();
        let writer =
            Writer { image: Arc::clone(&image), revision: revision_sender, disk, clock: Arc::clone(&clock), forgotten };
        let thread = std::thread::Builder::new()
            .name("cluster-writer".to_owned())
            .spawn(move || writer.run(&receiver))
            .map_err(DiskError::Io)?;
        Ok(Store { image, revision, sender, writer: Mutex::new(Some(thread)), clock })
    }

    /// The committed state. Hold it briefly: a commit waits for it.
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Image> {
        self.image.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells of every commit, by the version it ended at.
    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.revision.clone()
    }

    /// The cluster's clock.
    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// Runs a transaction. Its changes are durable when this returns `Ok(Ok(_))`; after `Ok(Err(_))` nothing of it has
    /// happened.
    pub(crate) async fn write<T, E>(
        &self,
        work: impl FnOnce(&mut Txn<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<Result<T, E>, CommitError>
    where
        T: Send + 'static,
        E: Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let work: Work = Box::new(move |txn| {
            let mark = txn.mark();
            let outcome = work(txn);
            if outcome.is_err() {
                txn.roll_back(mark);
            }
            Box::new(move |committed| {
                // A caller that has gone away does not want to know.
                let _ = reply.send(committed.map(|()| outcome));
            })
        });
        self.sender.send(Message::Work(work)).map_err(|_| CommitError::Closed)?;
        answer.await.unwrap_or(Err(CommitError::Closed))
    }

    /// Runs a transaction that is thrown away: what would happen.
    pub(crate) fn dry_run<T>(&self, work: impl FnOnce(&mut Txn<'_>) -> T) -> T {
        let image = self.read();
        let mut txn = Txn::over(&image, self.clock.now());
        work(&mut txn)
    }

    /// Ends the writer after what is queued, and lets go of the file.
    pub(crate) fn close(&self) {
        // An error says that the writer has ended already.
        let _ = self.sender.send(Message::Stop);
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer
            && writer.join().is_err()
        {
            tracing::error!("the store's writer ended by a panic");
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.close();
    }
}

struct Writer {
    image: Arc<RwLock<Image>>,
    revision: watch::Sender<u64>,
    disk: Option<Disk>,
    clock: Arc<dyn Clock>,
    /// Versions that the next commit takes off the disk.
    forgotten: Vec<u64>,
}

impl Writer {
    fn run(mut self, messages: &mpsc::Receiver<Message>) {
        let mut stop = false;
        while !stop {
            let Ok(first) = messages.recv() else { return };
            let mut batch = Vec::new();
            let mut next = Some(first);
            while let Some(message) = next.take() {
                match message {
                    Message::Work(work) => batch.push(work),
                    Message::Stop => {
                        stop = true;
                        break;
                    }
                }
                if batch.len() < BATCH {
                    next = messages.try_recv().ok();
                }
            }
            self.commit(batch);
        }
    }

    fn commit(&mut self, batch: Vec<Work>) {
        let (answers, changes, revision, window) = {
            let image = self.image.read().unwrap_or_else(PoisonError::into_inner);
            let mut txn = Txn::over(&image, self.clock.now());
            let mut answers = Vec::with_capacity(batch.len());
            for work in batch {
                txn.set_now(self.clock.now());
                answers.push(work(&mut txn));
            }
            let (changes, revision) = txn.into_changes();
            (answers, changes, revision, image.oldest_version())
        };
        let outcome = if changes.is_empty() { Ok(()) } else { self.store(changes, revision, window) };
        for answer in answers {
            answer(outcome.clone());
        }
    }

    /// Makes changes durable, and then known.
    fn store(&mut self, changes: Vec<Change>, revision: u64, window: u64) -> Result<(), CommitError> {
        if let Some(disk) = &self.disk {
            let commit = Commit { changes: &changes, revision, window, forgotten: &self.forgotten };
            if let Err(error) = disk.commit(&commit) {
                tracing::error!(%error, "a batch could not be committed");
                return Err(CommitError::Disk(error.to_string()));
            }
        }
        self.forgotten = self.image.write().unwrap_or_else(PoisonError::into_inner).publish(changes, revision);
        self.revision.send_replace(revision);
        Ok(())
    }
}
