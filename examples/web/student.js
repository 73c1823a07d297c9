// The exported student: pictures in, scores of classes out. Nothing leaves the machine.
import * as ort from './ort.wasm.bundle.min.mjs';

ort.env.wasm.numThreads = 1;  // Several need headers that plain file servers do not send.
ort.env.wasm.wasmPaths = { wasm: new URL('ort-wasm-simd-threaded.wasm', import.meta.url).href };

export async function readFacts(folder) {
  const answer = await fetch(new URL('model.json', folder));
  if (!answer.ok) throw new Error('model.json is not there; build the page with build.py');
  return answer.json();
}

export class Student {
  constructor(facts, session) {
    this.facts = facts;
    this.session = session;
  }

  static async load(folder) {
    const facts = await readFacts(folder);
    const session = await ort.InferenceSession.create(new URL('model.onnx', folder).href);
    return new Student(facts, session);
  }

  // Of facts.frames pictures, each rows x columns RGBA bytes as a canvas gives them, in order.
  async scores(pictures) {
    const { input, dims, data } = tensorOf(pictures, this.facts);
    const type = data instanceof Uint8Array ? 'uint8' : 'float32';
    const answer = await this.session.run({ [input]: new ort.Tensor(type, data, dims) });
    const values = Array.from(answer[this.session.outputNames[0]].data);
    return this.facts.logits ? softmax(values) : values;
  }
}

// Pictures as the network takes them: (1, channels, frames, rows, columns), or without frames.
export function tensorOf(pictures, facts) {
  const { frames, rows, columns, mean, std } = facts;
  const plane = rows * columns;
  const asBytes = facts.type === 'uint8';
  const data = new (asBytes ? Uint8Array : Float32Array)(3 * frames * plane);
  pictures.forEach((picture, frame) => {
    for (let place = 0; place < plane; place += 1) {
      for (let channel = 0; channel < 3; channel += 1) {
        const value = picture[4 * place + channel];
        data[(channel * frames + frame) * plane + place] =
          asBytes ? value : (value - mean[channel]) / std[channel];
      }
    }
  });
  const dims = facts.video ? [1, 3, frames, rows, columns] : [1, 3, rows, columns];
  return { input: facts.input, dims, data };
}

function softmax(values) {
  const most = Math.max(...values);
  const powers = values.map((value) => Math.exp(value - most));
  const sum = powers.reduce((total, value) => total + value, 0);
  return powers.map((value) => value / sum);
}
