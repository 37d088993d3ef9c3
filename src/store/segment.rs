//! The journal's files: `journal/0000000001.log` and so on, each with its own random id in front.
//!
//! Written at the end only. A segment that could not be written whole is cut back to its last good
//! byte, or given up for a new one; so what stands in a file before its torn tail, if it has one, is
//! whole.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::store::record::{Id, Record, decode, decode_all, encode};
use crate::store::running::Running;

/// A segment that is written.
pub struct Segment {
    pub number: u64,
    pub id: Id,
    file: File,
    /// Bytes that are whole.
    pub length: u64,
}

impl Segment {
    /// Begins a new one, with all that runs in front.
    pub fn create(dir: &Path, number: u64, running: &Running) -> io::Result<Self> {
        let path = path(dir, number);
        let file = OpenOptions::new().write(true).create_new(true).open(&path)?;
        let mut this = Self { number, id: Id::random(), file, length: 0 };
        let first = Record::Segment { id: this.id.clone(), runs: running.runs() };
        let written = this.append(std::slice::from_ref(&first)).and_then(|()| sync_dir(dir));
        if written.is_err() {
            let _ = fs::remove_file(&path);
        }
        written.map(|()| this)
    }

    /// Appends and brings it to the disk. After an error the segment must not be written again
    /// unless `cut_back` succeeds.
    pub fn append(&mut self, records: &[Record]) -> io::Result<()> {
        let mut bytes = Vec::new();
        for r in records {
            encode(r, &mut bytes);
        }
        self.file.write_all(&bytes)?;
        self.file.sync_data()?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Takes away what was written in part.
    pub fn cut_back(&mut self) -> io::Result<()> {
        self.file.set_len(self.length)?;
        self.file.seek(SeekFrom::Start(self.length))?;
        self.file.sync_data()
    }
}

/// Reads records of a segment from byte `from` on: at most `most` bytes, and not beyond `end`. Gives
/// the records and how many bytes they took.
pub fn read(
    dir: &Path,
    number: u64,
    from: u64,
    end: Option<u64>,
    most: u64,
) -> io::Result<(Vec<Record>, u64)> {
    let mut file = File::open(path(dir, number))?;
    file.seek(SeekFrom::Start(from))?;
    let most = end.map_or(most, |end| most.min(end.saturating_sub(from)));
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes)?;
    let (records, length) = decode_all(&bytes);
    Ok((records, length as u64))
}

/// Everything that a segment holds, and how many bytes at its end are of no use.
pub fn read_whole(dir: &Path, number: u64) -> io::Result<(Vec<Record>, u64)> {
    let bytes = fs::read(path(dir, number))?;
    let (records, length) = decode_all(&bytes);
    Ok((records, (bytes.len() - length) as u64))
}

/// Passes over the first `count` records. Gives how many there were and how many bytes they have.
pub fn skip(dir: &Path, number: u64, count: u64) -> io::Result<(u64, u64)> {
    let bytes = fs::read(path(dir, number))?;
    let (mut passed, mut at) = (0, 0);
    while passed < count
        && let Some((_, length)) = decode(&bytes[at..])
    {
        passed += 1;
        at += length;
    }
    Ok((passed, at as u64))
}

/// The segments that there are, oldest first.
pub fn list(dir: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|n| n.strip_suffix(".log"));
        numbers.extend(number.and_then(|n| n.parse::<u64>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Removes one that is not needed any more.
pub fn remove(dir: &Path, number: u64) -> io::Result<()> {
    match fs::remove_file(path(dir, number)) {
        // A successor was quicker.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:010}.log"))
}

/// A new name is on the disk only when its directory is.
fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}
