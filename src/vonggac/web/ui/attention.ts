// Stand-in for the strip of what changed: leaves it empty.

export function startAttention(_host: HTMLElement, _show: (cameraId: string) => void): void {
  // Filled by the part that watches activity.
}
