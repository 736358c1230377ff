// How wide a drawing may be: text in it keeps its size, so it must know.

import { useEffect, useRef, useState } from "../view.js";

/** [ref, width]: the width in pixels of the element that ref is put on. */
export function useWidth(before = 700) {
  const ref = useRef(null);
  const [width, setWidth] = useState(before);
  useEffect(() => {
    const watch = new ResizeObserver(([entry]) => setWidth(Math.round(entry.contentRect.width) || before));
    watch.observe(ref.current);
    return () => watch.disconnect();
  }, []);
  return [ref, width];
}
