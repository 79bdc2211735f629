// The texts under `root` whose contrast with what is behind them is less than `least` (WCAG 2.2, 1.4.3), as
// "ratio: text". Colours may be translucent, and so may the elements around a text.
(root, least) => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const channels = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    const [red, green, blue, alpha] = canvas.getImageData(0, 0, 1, 1).data;
    return [red, green, blue, alpha / 255];
  };
  const over = (front, back, opacity) => back.map((channel, at) => front[at] * opacity + channel * (1 - opacity));
  const luminance = (color) => {
    const [red, green, blue] = color.map((channel) => {
      const share = channel / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const contrast = (one, other) => {
    const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  const found = new Set();
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode.textContent.trim(), element = walker.currentNode.parentElement;
    if (!text || element.closest("style, script, svg") || !element.checkVisibility()) continue;
    const around = [];
    for (let up = element; up; up = up.parentElement) around.unshift(getComputedStyle(up));
    let back = [255, 255, 255], opacity = 1;
    for (const style of around) {
      opacity *= Number(style.opacity);
      const [red, green, blue, alpha] = channels(style.backgroundColor);
      back = over([red, green, blue], back, alpha * opacity);
    }
    const [red, green, blue, alpha] = channels(getComputedStyle(element).color);
    const ratio = contrast(over([red, green, blue], back, alpha * opacity), back);
    if (ratio < least) found.add(`${ratio.toFixed(2)}: ${text.slice(0, 60)}`);
  }
  return Array.from(found).slice(0, 10);
}
