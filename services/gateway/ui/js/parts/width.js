// Measures the space for drawings, whose text must not shrink.

import { useEffect, useRef, useState } from "../view.js";

/**
 * Returns [ref, width]: the width of ref's element in pixels at the default text size.
 * With larger text the width is smaller, because the drawing scales with the text.
 */
export function useWidth(before = 700) {
  const ref = useRef(null);
  const [width, setWidth] = useState(before);
  useEffect(() => {
    const watch = new ResizeObserver(([entry]) => setWidth(Math.round(entry.contentRect.width * pixelScale()) || before));
    watch.observe(ref.current);
    return () => watch.disconnect();
  }, []);
  return [ref, width];
}

/** Returns the factor from CSS pixels to pixels at the default text size. */
export const pixelScale = () => 16 / parseFloat(getComputedStyle(document.documentElement).fontSize);

/** Converts pixels to rem, so that lengths scale with the text. */
export const rem = (px) => `${px / 16}rem`;
