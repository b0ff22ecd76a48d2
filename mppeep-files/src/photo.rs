//! Makes photographs of uploaded images.

use std::io::Cursor;

use bytes::Bytes;
use image::codecs::jpeg::JpegEncoder;
use image::imageops::FilterType;
use image::{DynamicImage, ImageDecoder as _, ImageFormat, ImageReader, Limits, Rgb, RgbImage};
use mppeep_core::domain::photo::{SIDE, SMALL_SIDE};
use mppeep_core::ports::photo::{PhotoError, PhotoMaker, Pictures};

/// Longest side of an image that is read, in pixels.
const MOST_SIDE: u32 = 8_000;

/// Most pixels of an image that is read: what a telephone takes.
const MOST_PIXELS: u64 = 50_000_000;

/// Memory that reading an image may take, in bytes.
const MOST_MEMORY: u64 = 256 * 1024 * 1024;

const QUALITY: u8 = 82;

/// Makes photographs of JPEG, PNG and WebP images.
#[derive(Debug, Default, Clone, Copy)]
pub struct ImagePhotoMaker;

impl PhotoMaker for ImagePhotoMaker {
    fn make(&self, image: &[u8]) -> Result<Pictures, PhotoError> {
        let image = read(image)?;
        Ok(Pictures {
            large: write(&image, SIDE)?,
            small: write(&image, SMALL_SIDE)?,
        })
    }
}

fn read(bytes: &[u8]) -> Result<DynamicImage, PhotoError> {
    let unreadable = |_| PhotoError::Unreadable;
    let mut reader = ImageReader::new(Cursor::new(bytes))
        .with_guessed_format()
        .map_err(|_| PhotoError::Unreadable)?;
    if !matches!(
        reader.format(),
        Some(ImageFormat::Jpeg | ImageFormat::Png | ImageFormat::WebP)
    ) {
        return Err(PhotoError::Unreadable);
    }
    let mut limits = Limits::default();
    limits.max_alloc = Some(MOST_MEMORY);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(unreadable)?;
    let (width, height) = decoder.dimensions();
    // What the file claims is judged before anything is made room for.
    if width.max(height) > MOST_SIDE || u64::from(width) * u64::from(height) > MOST_PIXELS {
        return Err(PhotoError::TooLarge { pixels: MOST_PIXELS });
    }
    if width.min(height) < SMALL_SIDE {
        return Err(PhotoError::TooSmall { side: SMALL_SIDE });
    }
    let orientation = decoder.orientation().map_err(unreadable)?;
    let mut image = DynamicImage::from_decoder(decoder).map_err(unreadable)?;
    image.apply_orientation(orientation);
    Ok(image)
}

/// The middle of the image as a square of that side, on white where it is transparent.
fn write(image: &DynamicImage, side: u32) -> Result<Bytes, PhotoError> {
    let square = image
        .resize_to_fill(side, side, FilterType::CatmullRom)
        .to_rgba8();
    let mut opaque = RgbImage::new(side, side);
    for (from, to) in square.pixels().zip(opaque.pixels_mut()) {
        let [red, green, blue, alpha] = from.0;
        let on_white = |channel: u8| {
            let alpha = u16::from(alpha);
            let mixed = (u16::from(channel) * alpha + 255 * (255 - alpha) + 127) / 255;
            u8::try_from(mixed).unwrap_or(u8::MAX)
        };
        *to = Rgb([on_white(red), on_white(green), on_white(blue)]);
    }
    let mut jpeg = Vec::new();
    JpegEncoder::new_with_quality(&mut jpeg, QUALITY)
        .encode_image(&opaque)
        .map_err(|_| PhotoError::Unreadable)?;
    Ok(jpeg.into())
}

#[cfg(test)]
mod tests {
    use image::{Rgba, RgbaImage};

    use super::*;

    fn encoded(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        image.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    fn sample(width: u32, height: u32) -> DynamicImage {
        RgbaImage::from_fn(width, height, |x, _| {
            if x < width / 2 {
                Rgba([200, 30, 30, 255])
            } else {
                Rgba([0, 0, 0, 0])
            }
        })
        .into()
    }

    #[test]
    fn images_become_two_upright_squares_on_white() {
        for (width, height, format) in [
            (300, 200, ImageFormat::Png),
            (96, 96, ImageFormat::Png),
            (200, 900, ImageFormat::WebP),
        ] {
            let made = ImagePhotoMaker
                .make(&encoded(&sample(width, height), format))
                .unwrap();
            for (bytes, side) in [(made.large, SIDE), (made.small, SMALL_SIDE)] {
                let read = image::load_from_memory_with_format(&bytes, ImageFormat::Jpeg)
                    .unwrap()
                    .to_rgb8();
                assert_eq!(read.dimensions(), (side, side));
                let [red, green, _] = read.get_pixel(side / 8, side / 2).0;
                assert!(red > 150 && green < 90, "{red} {green}");
                let Rgb(right) = read.get_pixel(side - side / 8, side / 2);
                assert!(
                    right.iter().all(|channel| *channel > 240),
                    "transparent is white: {right:?}"
                );
            }
        }
    }

    /// An EXIF segment that asks for a quarter turn, and holds a place.
    fn with_exif(jpeg: &[u8]) -> Vec<u8> {
        let mut exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0".to_vec();
        exif.extend_from_slice(b"Latitude 5.32");
        let length = u16::try_from(exif.len() + 2).unwrap().to_be_bytes();
        [&jpeg[..2], b"\xff\xe1", &length, &exif, &jpeg[2..]].concat()
    }

    #[test]
    fn the_camera_is_turned_and_forgotten() {
        let upright = DynamicImage::from(sample(300, 300).to_rgb8());
        let turned = with_exif(&encoded(&upright, ImageFormat::Jpeg));
        let made = ImagePhotoMaker.make(&turned).unwrap();
        assert!(!made.large.windows(8).any(|window| window == b"Latitude"));
        assert!(!made.large.windows(4).any(|window| window == b"Exif"));
        let read = image::load_from_memory(&made.large).unwrap().to_rgb8();
        // The red left half is above after a quarter turn to the right.
        let [above, ..] = read.get_pixel(SIDE - SIDE / 8, SIDE / 8).0;
        let [below, ..] = read.get_pixel(SIDE / 8, SIDE - SIDE / 8).0;
        assert!(above > 150 && below < 90, "{above} {below}");
    }

    #[test]
    fn what_is_no_photograph_is_refused() {
        assert_eq!(ImagePhotoMaker.make(b""), Err(PhotoError::Unreadable));
        assert_eq!(ImagePhotoMaker.make(b"GIF89a"), Err(PhotoError::Unreadable));
        let png = encoded(&sample(200, 200), ImageFormat::Png);
        assert_eq!(
            ImagePhotoMaker.make(&png[..png.len() / 2]),
            Err(PhotoError::Unreadable)
        );
        let small = encoded(&sample(95, 200), ImageFormat::Png);
        assert_eq!(
            ImagePhotoMaker.make(&small),
            Err(PhotoError::TooSmall { side: SMALL_SIDE })
        );
        // A header that claims 60 000 pixels a side, with its check sum.
        let mut bomb = png;
        bomb[16..24].copy_from_slice(&[0, 0, 0xea, 0x60, 0, 0, 0xea, 0x60]);
        let sum = crc(&bomb[12..29]).to_be_bytes();
        bomb[29..33].copy_from_slice(&sum);
        assert_eq!(
            ImagePhotoMaker.make(&bomb),
            Err(PhotoError::TooLarge { pixels: MOST_PIXELS })
        );
    }

    /// The check sum of PNG chunks (ISO 3309).
    fn crc(bytes: &[u8]) -> u32 {
        let mut sum = u32::MAX;
        for byte in bytes {
            sum ^= u32::from(*byte);
            for _ in 0..8 {
                sum = if sum & 1 == 1 {
                    sum >> 1 ^ 0xedb8_8320
                } else {
                    sum >> 1
                };
            }
        }
        !sum
    }
}
