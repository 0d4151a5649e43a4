console.log("nothing generated yet");
