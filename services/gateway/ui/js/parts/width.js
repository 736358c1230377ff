// How wide a drawing may be: text in it keeps its size, so it must know.

import { useEffect, useRef, useState } from "../view.js";

/**
 * [ref, width]: the width of the element that ref is put on, in pixels at the usual
 * text size. Who reads with larger text has less room: the drawing grows with it.
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

/** What a pixel is at the usual text size, where the reader's is another. */
export const pixelScale = () => 16 / parseFloat(getComputedStyle(document.documentElement).fontSize);

/** A length that grows with the text. */
export const rem = (px) => `${px / 16}rem`;
