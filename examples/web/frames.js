// Frames of a video or a camera, cut to the square that the network takes.

// Cuts the largest centred part that has the network's shape.
export class Cutter {
  constructor({ rows, columns }) {
    this.canvas = document.createElement('canvas');
    this.canvas.width = columns;
    this.canvas.height = rows;
    this.context = this.canvas.getContext('2d', { willReadFrequently: true });
    this.context.imageSmoothingQuality = 'high';
  }

  // RGBA bytes of what an image or video shows now; exact where it has the network's size.
  cut(source, width, height) {
    const { width: columns, height: rows } = this.canvas;
    const scale = Math.min(width / columns, height / rows);
    const left = (width - columns * scale) / 2;
    const upper = (height - rows * scale) / 2;
    this.context.drawImage(
      source, left, upper, columns * scale, rows * scale, 0, 0, columns, rows);
    return this.context.getImageData(0, 0, columns, rows).data;
  }
}

// Pictures of a video in steps of some seconds: each frame is looked up once.
export async function* videoFrames(video, cutter, step, isStopped) {
  await ready(video);
  for (let number = 0; number * step < video.duration && !isStopped(); number += 1) {
    // Into the frame, not onto its edge.
    await seek(video, Math.min(number * step + 1e-3, video.duration));
    yield {
      time: number * step, picture: cutter.cut(video, video.videoWidth, video.videoHeight),
    };
  }
}

// Windows of a video: so many pictures each, and so many after the one before.
export function videoWindows(video, cutter, step, length, stride, isStopped) {
  return windowsOf(videoFrames(video, cutter, step, isStopped), length, stride);
}

// Windows of a camera. Pictures are taken whatever the network does; it gets the newest ones, and
// those that were in no window are counted.
export async function* cameraWindows(video, cutter, step, length, stride, isStopped) {
  await ready(video);
  await video.play();
  const recent = [];
  const began = performance.now();
  let arrived = 0;
  let taken = 0;
  let dropped = 0;
  let wake = () => {};
  const timer = setInterval(() => {
    const picture = cutter.cut(video, video.videoWidth, video.videoHeight);
    recent.push({ time: (performance.now() - began) / 1000, picture });
    if (recent.length > length) recent.shift();
    arrived += 1;
    wake();
  }, step * 1000);
  try {
    while (!isStopped()) {
      if (arrived - taken >= (taken ? stride : length)) {
        dropped += Math.max(0, arrived - taken - length);
        taken = arrived;
        yield { ...windowOf(recent, length), dropped };
      } else {
        await new Promise((done) => { wake = done; });
      }
    }
  } finally {
    clearInterval(timer);
  }
}

// Of frames one after the other; the last window ends with them.
export async function* windowsOf(frames, length, stride) {
  const recent = [];
  let count = 0;
  let end = 0;
  for await (const frame of frames) {
    recent.push(frame);
    if (recent.length > length) recent.shift();
    count += 1;
    if (count >= length && (count - length) % stride === 0) {
      end = count;
      yield windowOf(recent, length);
    }
  }
  if (count > end) yield windowOf(recent, length);
}

// A video that is too short repeats its last frame.
function windowOf(frames, length) {
  const last = frames[frames.length - 1];
  const full = [...frames, ...Array(length - frames.length).fill(last)];
  return { start: full[0].time, end: last.time, pictures: full.map(({ picture }) => picture) };
}

// A video of this folder as an address that can be sought in: plain file servers do not help with it.
export async function localAddress(name) {
  const answer = await fetch(name);
  if (!answer.ok) {
    throw new Error(`${name} must be a video beside the page, but the server says ${answer.status}`);
  }
  return URL.createObjectURL(await answer.blob());
}

async function ready(video) {
  if (video.readyState >= 2) return;
  // It may have failed before anybody listens.
  if (!video.error) {
    await new Promise((done) => {
      video.addEventListener('loadeddata', done, { once: true });
      video.addEventListener('error', done, { once: true });
    });
  }
  if (video.error) {
    throw new Error(
      'this browser cannot play the video; H.264 in MP4 and VP9 in WebM play nearly everywhere');
  }
}

async function seek(video, time) {
  await new Promise((done) => {
    video.addEventListener('seeked', done, { once: true });
    video.currentTime = time;
  });
}
