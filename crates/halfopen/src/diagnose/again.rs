//! Captures that were judged, read once more for what a report shows of them.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use halfopen_capture::pcap::{self, AnnotateError};
use halfopen_capture::scene::Scene;
use halfopen_capture::{Points, Summary};

use super::input;
use super::interrupt::Interrupt;
use crate::failure::Failure;
use crate::new_file::NewFile;
use crate::report::{Pictures, Report, remarks};

/// The captures, in the order in which they were judged, by their places on the command line.
#[derive(Debug)]
pub(super) struct Again {
    captures: Vec<(usize, PathBuf)>,
}

impl Again {
    pub(super) fn new(captures: &[(usize, input::Capture)]) -> Self {
        let path = |(place, capture): &(usize, input::Capture)| (*place, capture.path().to_owned());
        Self { captures: captures.iter().map(path).collect() }
    }

    /// Tells whether one of the captures is the file of this name.
    pub(super) fn has(&self, file: &Path) -> bool {
        let Ok(file) = fs::canonicalize(file) else { return false };
        let same = |(_, path): &(usize, PathBuf)| fs::canonicalize(path).is_ok_and(|it| it == file);
        self.captures.iter().any(same)
    }

    /// Returns pictures of the connections that say most, and why there are none if that is so.
    pub(super) fn look(
        &self,
        report: &Report,
        points: &Points,
        interrupt: &Interrupt,
    ) -> (Pictures, Option<String>) {
        let mut pictures = Pictures::plan(report, points);
        if interrupt.asked() {
            return (pictures, Some("the reading was interrupted".to_owned()));
        }
        match self.scene(&pictures, points) {
            Ok(scene) => {
                pictures.fill(scene.into_lanes());
                (pictures, None)
            }
            Err(why) => (pictures, Some(why.to_string())),
        }
    }

    /// Returns the one capture that can be copied; if there are several, frames of one file would
    /// not have the numbers by which the report names them.
    pub(super) fn only(&self) -> Result<(usize, &Path), Failure> {
        match self.captures.as_slice() {
            [(_, path)] if !path.is_file() => Err(Failure::ReadOnce(path.clone())),
            [(place, path)] => Ok((*place, path)),
            several => Err(Failure::NotOneCapture(several.len())),
        }
    }

    /// Copies the capture with the verdict on its frames.
    pub(super) fn annotate(
        &self,
        mut copy: NewFile,
        report: &Report,
        summaries: &[Summary],
    ) -> Result<(), Failure> {
        let (place, path) = self.only()?;
        let summary = &summaries[place];
        let cut_short = summary.broken.is_some() || summary.stopped;
        let until = cut_short.then_some(summary.frames);
        let mut out = BufWriter::new(&mut copy);
        let written = pcap::annotate(input::file(path)?, &mut out, &remarks(report, place), until)
            .and_then(|_| Ok(out.flush()?));
        drop(out);
        match written {
            Ok(()) => copy.finish(),
            Err(AnnotateError::Write(error)) => Err(copy.failed(error)),
            Err(AnnotateError::Read(error)) => {
                Err(Failure::Capture { input: path.display().to_string(), error })
            }
        }
    }

    fn scene(&self, pictures: &Pictures, points: &Points) -> Result<Scene, Failure> {
        let wanted = pictures.wanted();
        let nobody = wanted.is_empty();
        let mut scene = Scene::new(wanted);
        for (capture, path) in self.captures.iter().filter(|_| !nobody) {
            let Some(point) = points.point(*capture) else { continue };
            scene.read(*capture, point, open(path)?);
        }
        Ok(scene)
    }
}

fn open(path: &Path) -> Result<pcap::Reader<File>, Failure> {
    if !path.is_file() {
        return Err(Failure::ReadOnce(path.to_owned()));
    }
    pcap::Reader::new(input::file(path)?)
        .map_err(|error| Failure::Capture { input: path.display().to_string(), error })
}
