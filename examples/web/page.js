// The page: a video or a camera in, a plot out.
import { Cutter, cameraWindows, localAddress, videoWindows } from './frames.js';
import { plot } from './plot.js';
import { readFacts } from './student.js';

const HERE = new URL('./', import.meta.url);
const part = (name) => document.getElementById(name);
const worker = new Worker(new URL('worker.js', HERE), { type: 'module' });
const waiting = new Map();
// Not on the page: of one that is, a browser may draw the frame before the one that was sought.
let video = document.createElement('video');
let run = 0;

worker.onmessage = ({ data: { number, scores, error } }) => {
  const { done, failed } = waiting.get(number);
  waiting.delete(number);
  if (error) failed(new Error(error)); else done(scores);
};

let asked = 0;
function scoresOf(pictures) {
  asked += 1;
  worker.postMessage({ number: asked, pictures });
  return new Promise((done, failed) => { waiting.set(asked, { done, failed }); });
}

function say(text) {
  part('state').textContent = text;
}

function show(points, facts) {
  const legend = plot(part('plot'), points, facts.classes);
  part('legend').replaceChildren(...legend.map(({ name, colour }) => {
    const item = document.createElement('li');
    item.textContent = name;
    item.style.color = colour;
    return item;
  }));
}

// A video without what the last one showed.
function newVideo() {
  stop();
  video = document.createElement('video');
  video.muted = true;
  video.playsInline = true;
}

// Goes through frames of the video until they end or another run begins.
async function watch(windows) {
  run += 1;
  const mine = run;
  const isStopped = () => run !== mine;
  const points = [];
  window.points = points;
  try {
    const facts = await readFacts(HERE);
    const step = Number(part('step').value);
    const stride = Math.max(1, Math.round(Number(part('stride').value) / step));
    const cutter = new Cutter(facts);
    part('seen').replaceChildren(cutter.canvas);
    const coming = windows(video, cutter, step, facts.frames, stride, isStopped);
    say('loading the network');
    for await (const { start, end, pictures, dropped } of coming) {
      const scores = await scoresOf(pictures);
      if (isStopped()) return;
      points.push({ time: (start + end) / 2, start, end, scores });
      show(points, facts);
      say(`${end.toFixed(1)} s${dropped ? `, ${dropped} frames dropped` : ''}`);
    }
    say(`done: ${points.length} windows`);
  } catch (error) {
    say(`error: ${error.message}`);
  }
}

async function openCamera() {
  newVideo();
  try {
    video.srcObject = await navigator.mediaDevices.getUserMedia({ video: true });
  } catch (error) {
    say(`error: the camera must be there and allowed, but: ${error.message}`);
    return;
  }
  await watch(cameraWindows);
}

function openVideo(address) {
  newVideo();
  video.src = address;
  return watch(videoWindows);
}

function stop() {
  run += 1;
  video.srcObject?.getTracks().forEach((track) => track.stop());
  say('stopped');
}

part('file').addEventListener('change', ({ target }) => {
  if (target.files.length) openVideo(URL.createObjectURL(target.files[0]));
});
part('camera').addEventListener('click', openCamera);
part('stop').addEventListener('click', stop);

readFacts(HERE).then((facts) => {
  part('step').value = facts.seconds_between;
  part('stride').value = Math.max(facts.seconds_between, facts.seconds_between * facts.frames / 2);
  const address = new URLSearchParams(window.location.search).get('video');
  return address && localAddress(address).then(openVideo);
}).catch((error) => say(`error: ${error.message}`));
