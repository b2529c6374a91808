"""What the cameras saw: RTSP client, MP4 writer, recorder, archive, stills, camera check."""
