"""The pack without ComfyUI: a command line, a workflow executor, and a stand-in for the API."""
