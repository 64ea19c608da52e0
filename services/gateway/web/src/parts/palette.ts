/** The colours of the style sheet, for what is drawn on a canvas. */
export function palette() {
  const style = getComputedStyle(document.documentElement);
  const colour = (name: string) => style.getPropertyValue(`--${name}`).trim();
  return {
    text: colour("text"),
    muted: colour("muted"),
    line: colour("line"),
    gain: colour("gain"),
    loss: colour("loss"),
    accent: colour("accent"),
    gainWash: colour("gain-wash"),
    lossWash: colour("loss-wash"),
    clear: "rgba(0, 0, 0, 0)",
  };
}
