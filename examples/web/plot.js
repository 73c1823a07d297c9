// Scores of the classes over time, as lines.
const COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00'];
const LEFT = 40;
const BOTTOM = 24;

// points: {time, scores} in order; the classes that were once the largest are drawn.
export function plot(canvas, points, classes) {
  const context = canvas.getContext('2d');
  const { width, height } = canvas;
  context.clearRect(0, 0, width, height);
  if (!points.length) return [];
  const first = points[0].time;
  const span = Math.max(points[points.length - 1].time - first, 1e-3);
  const x = (time) => LEFT + (time - first) / span * (width - LEFT - 8);
  const y = (score) => 8 + (1 - score) * (height - BOTTOM - 8);
  context.font = '12px sans-serif';
  context.fillStyle = '#555';
  context.strokeStyle = '#ddd';
  for (const score of [0, 0.5, 1]) {
    context.beginPath();
    context.moveTo(LEFT, y(score));
    context.lineTo(width - 8, y(score));
    context.stroke();
    context.fillText(score.toFixed(1), 8, y(score) + 4);
  }
  for (const share of [0, 0.5, 1]) {
    const time = first + share * span;
    context.textAlign = ['left', 'center', 'right'][2 * share];
    context.fillText(`${time.toFixed(1)} s`, x(time), height - 6);
  }
  context.textAlign = 'left';
  const shown = largest(points).slice(0, COLOURS.length);
  shown.forEach((label, place) => {
    context.strokeStyle = COLOURS[place];
    context.lineWidth = 2;
    context.beginPath();
    points.forEach(({ time, scores }) => context.lineTo(x(time), y(scores[label])));
    if (points.length === 1) context.lineTo(width - 8, y(points[0].scores[label]));
    context.stroke();
  });
  context.lineWidth = 1;
  return shown.map((label, place) => ({ name: classes[label] ?? `class ${label}`, colour: COLOURS[place] }));
}

// Labels by their largest score of all times, largest first.
function largest(points) {
  const most = points[0].scores.map((_, label) => Math.max(...points.map((one) => one.scores[label])));
  return most.map((_, label) => label).sort((one, other) => most[other] - most[one]);
}
