// The network in a thread of its own, so that the page goes on being drawn.
import { Student } from './student.js';

const student = Student.load(new URL('./', import.meta.url));

onmessage = async ({ data: { number, pictures } }) => {
  try {
    postMessage({ number, scores: await (await student).scores(pictures) });
  } catch (error) {
    postMessage({ number, error: String(error.message ?? error) });
  }
};
