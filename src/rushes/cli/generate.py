"""`rushes generate`: one video, made in this process, without a server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rushes.cli.exits import explained
from rushes.cli.options import AsJson

DEFAULT_MODEL = "rushes/mini"

SIZE = "Size"
LENGTH = "Length and rate"
QUALITY = "Quality and speed"
FILE = "The file"
MEDIA = "Files and URLs (for models that take them)"

# Numbers arrive as text: `body.number` reads them, and what is no number is refused in the contract's own words.
Number = str | None
Words = str | None
Files = list[str] | None


def generate(
    prompt: Annotated[Words, typer.Argument(help="What the video shows: subject, action, scene, camera.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The file to write, .mp4 or .webm.", show_default="rushes.mp4")
    ] = None,
    model: Annotated[str, typer.Option(help="A model of `rushes models`.")] = DEFAULT_MODEL,
    negative_prompt: Annotated[Words, typer.Option(metavar="TEXT", help="What to keep out.")] = None,
    width: Annotated[Number, typer.Option(metavar="PIXELS", rich_help_panel=SIZE)] = None,
    height: Annotated[Number, typer.Option(metavar="PIXELS", rich_help_panel=SIZE)] = None,
    resolution: Annotated[Words, typer.Option(metavar="TIER", help="720P or 1080P.", rich_help_panel=SIZE)] = None,
    ratio: Annotated[
        Words, typer.Option(metavar="W:H", help="16:9, 9:16, 1:1, 4:3 or 3:4.", rich_help_panel=SIZE)
    ] = None,
    seconds: Annotated[Number, typer.Option(metavar="S", help="1 to 10.", rich_help_panel=LENGTH)] = None,
    fps: Annotated[Number, typer.Option(metavar="N", help="15 to 60.", rich_help_panel=LENGTH)] = None,
    steps: Annotated[
        Number, typer.Option(metavar="N", help="10 is a preview, 30 to 40 for production.", rich_help_panel=QUALITY)
    ] = None,
    guidance_scale: Annotated[
        Number, typer.Option(metavar="X", help="How closely to follow the prompt; 6 to 10.", rich_help_panel=QUALITY)
    ] = None,
    seed: Annotated[
        Number, typer.Option(metavar="N", help="The same seed makes the same video.", rich_help_panel=QUALITY)
    ] = None,
    quality: Annotated[
        Words,
        typer.Option(metavar="WORD", help="exact, high or fast: what to trade for time.", rich_help_panel=QUALITY),
    ] = None,
    lora: Annotated[
        Files,
        typer.Option(metavar="NAME[=WEIGHT]", help="A LoRA of the model; repeatable.", rich_help_panel=QUALITY),
    ] = None,
    output_format: Annotated[
        Words, typer.Option(metavar="FORMAT", help="MP4 or WEBM; else by the suffix of -o.", rich_help_panel=FILE)
    ] = None,
    output_quality: Annotated[
        Number, typer.Option(metavar="N", help="0 to 51; lower is finer and larger.", rich_help_panel=FILE)
    ] = None,
    generate_audio: Annotated[
        bool | None, typer.Option("--generate-audio/--no-generate-audio", help="Make sound too.", rich_help_panel=FILE)
    ] = None,
    first_frame: Annotated[
        Words, typer.Option(metavar="IMAGE", help="The picture to begin with.", rich_help_panel=MEDIA)
    ] = None,
    last_frame: Annotated[
        Words, typer.Option(metavar="IMAGE", help="The picture to end with.", rich_help_panel=MEDIA)
    ] = None,
    frame_image: Annotated[
        Files,
        typer.Option(
            "--frame-image", "--frame", metavar="[K=]IMAGE", help="One at frame K; repeatable.", rich_help_panel=MEDIA
        ),
    ] = None,
    frame_video: Annotated[
        Files,
        typer.Option(
            "--frame-video", "--continue", metavar="VIDEO", help="The clip to continue.", rich_help_panel=MEDIA
        ),
    ] = None,
    source_video: Annotated[
        Words,
        typer.Option("--source-video", "--source", metavar="VIDEO", help="The clip to edit.", rich_help_panel=MEDIA),
    ] = None,
    reference_image: Annotated[
        Files,
        typer.Option(
            "--reference-image", "--reference", metavar="IMAGE", help="Who or what to show.", rich_help_panel=MEDIA
        ),
    ] = None,
    reference_video: Annotated[
        Files, typer.Option(metavar="VIDEO", help="Who or what to show, or a clip to follow.", rich_help_panel=MEDIA)
    ] = None,
    audio_input: Annotated[
        Files,
        typer.Option("--audio-input", "--audio", metavar="AUDIO", help="Sound to follow.", rich_help_panel=MEDIA),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a video here and now, without a server.

    Exit codes: 0 made, 1 failed, 2 the request cannot be honoured, 130 stopped with Ctrl-C (nothing is left behind).
    """
    with explained(as_json):
        from rushes.cli import body, make

        asked = {
            "model": model,
            "prompt": prompt,
            "negative_prompt": negative_prompt,
            "width": width and body.number(width),
            "height": height and body.number(height),
            "resolution": resolution,
            "ratio": ratio,
            "seconds": seconds and body.number(seconds),
            "fps": fps and body.number(fps),
            "steps": steps and body.number(steps),
            "guidance_scale": guidance_scale and body.number(guidance_scale),
            "seed": seed and body.number(seed),
            "quality": quality,
            "loras": [body.lora(given) for given in lora] if lora else None,
            "output_format": body.output_format(output_format, output),
            "output_quality": output_quality and body.number(output_quality),
            "generate_audio": generate_audio,
            "media": body.media(
                first_frame=first_frame,
                last_frame=last_frame,
                frame_images=frame_image or (),
                frame_videos=frame_video or (),
                reference_images=reference_image or (),
                reference_videos=reference_video or (),
                source_video=source_video,
                audio_inputs=audio_input or (),
            ),
        }
        make.make({name: value for name, value in asked.items() if value is not None}, output, as_json)
