"""The vocabulary of the sample catalogue: an invented shop's tree, brands, colours and turns of phrase.

One line of `LEAVES` is `path | nouns | Spanish nouns | price from-to | kind of size`; a few nouns stand in several lines on
purpose ("case", "brush", "mat"), as they do in real shops. Brands and sellers are made up.
"""

LEAVES = """
Electronics > Audio > Headphones | over ear headphones; headphones; wireless headset; studio headphones; headset | auriculares de diadema; cascos bluetooth | 15-300 | none
Electronics > Audio > Earbuds | earbuds; in-ear earphones; true wireless earbuds; earphones; headset | auriculares inalámbricos; auriculares intraurales | 8-180 | none
Electronics > Audio > Speakers | bluetooth speaker; portable speaker; bookshelf speaker; speaker | altavoz bluetooth; altavoz portátil | 12-400 | watt
Electronics > Audio > Soundbars | soundbar; tv sound bar; sound bar with subwoofer; speaker | barra de sonido | 60-500 | watt
Electronics > Phones > Smartphones | smartphone; 5g phone; mobile phone; unlocked phone | teléfono móvil; smartphone libre | 90-1200 | gigabyte
Electronics > Phones > Accessories > Phone Cases | phone case; silicone case; bumper case; wallet case; case | funda para móvil; carcasa | 4-40 | none
Electronics > Phones > Accessories > Screen Protectors | tempered glass; screen protector; screen film; glass protector | cristal templado; protector de pantalla | 3-25 | pack
Electronics > Phones > Accessories > Chargers | wall charger; fast charger; usb-c charger; charging plug; charger | cargador rápido; cargador de pared | 6-60 | watt
Electronics > Phones > Accessories > Power Banks | power bank; portable battery; external battery; charger | batería externa | 12-90 | mah
Electronics > Computers > Laptops | laptop; notebook; ultrabook; gaming laptop | portátil; ordenador portátil | 250-2500 | inch
Electronics > Computers > Monitors | monitor; curved monitor; gaming monitor; led display; screen | monitor; pantalla de ordenador | 80-900 | inch
Electronics > Computers > Keyboards | mechanical keyboard; wireless keyboard; keyboard; compact keyboard | teclado mecánico; teclado inalámbrico | 12-180 | none
Electronics > Computers > Mice | wireless mouse; gaming mouse; ergonomic mouse; vertical mouse; mouse | ratón inalámbrico; ratón | 7-110 | none
Electronics > Computers > Storage > Hard Drives | external hard drive; hard disk; portable drive; desktop drive | disco duro externo | 45-300 | terabyte
Electronics > Computers > Storage > USB Sticks | usb stick; flash drive; usb drive; pen drive | memoria usb; pendrive | 5-60 | gigabyte
Electronics > Computers > Networking | wifi router; mesh router; network switch; wifi extender; ethernet adapter; adapter | router wifi; repetidor wifi | 18-300 | none
Electronics > Computers > Cables & Adapters | hdmi cable; usb-c cable; ethernet cable; displayport adapter; adapter; cable | cable hdmi; adaptador usb | 4-45 | metre
Electronics > Cameras > Digital Cameras | mirrorless camera; compact camera; digital camera; action camera; camera | cámara digital; cámara réflex | 90-1800 | none
Electronics > Cameras > Camera Bags | camera bag; camera backpack; lens pouch; camera case; case | bolsa para cámara; mochila fotográfica | 15-150 | none
Electronics > Cameras > Tripods | tripod; travel tripod; monopod; phone tripod; stand | trípode | 12-180 | cm
Electronics > TV > Televisions | smart tv; led tv; oled tv; 4k television | televisor; smart tv | 150-2200 | inch
Electronics > TV > Wall Mounts | tv wall mount; tv bracket; swivel mount; mount | soporte de pared para tv | 12-120 | inch
Electronics > Wearables > Smartwatches | smartwatch; fitness watch; gps watch; watch | reloj inteligente | 30-450 | mm
Electronics > Wearables > Fitness Trackers | fitness tracker; activity band; step counter; tracker | pulsera de actividad | 18-140 | none
Home & Kitchen > Cookware > Frying Pans | frying pan; skillet; griddle pan; crepe pan; pan | sartén; sartén antiadherente | 9-90 | cm
Home & Kitchen > Cookware > Saucepans | saucepan; milk pan; cooking pot; stock pot; pan | cazo; olla; cacerola | 12-120 | litre
Home & Kitchen > Cookware > Bakeware | cake tin; baking tray; muffin tin; loaf tin; springform; tray | molde para tartas; bandeja de horno | 6-45 | cm
Home & Kitchen > Kitchen Tools > Knives | chef knife; paring knife; bread knife; santoku; knife | cuchillo de cocina; cuchillo jamonero | 8-150 | cm
Home & Kitchen > Kitchen Tools > Cutting Boards | cutting board; chopping board; bamboo board; board | tabla de cortar | 8-60 | cm
Home & Kitchen > Kitchen Tools > Graters & Peelers | box grater; vegetable peeler; zester; mandoline slicer | rallador; pelador | 4-35 | none
Home & Kitchen > Kitchen Tools > Scales | kitchen scale; digital scale; food scale; scale | báscula de cocina | 10-45 | kg
Home & Kitchen > Small Appliances > Kettles | electric kettle; gooseneck kettle; kettle; tea kettle | hervidor de agua | 18-110 | litre
Home & Kitchen > Small Appliances > Toasters | toaster; sandwich maker; 2 slice toaster; 4 slice toaster | tostadora; sandwichera | 18-120 | watt
Home & Kitchen > Small Appliances > Blenders | blender; hand blender; smoothie maker; jug blender; mixer | batidora; licuadora | 20-250 | watt
Home & Kitchen > Small Appliances > Mixers | stand mixer; hand mixer; dough mixer; mixer | amasadora; batidora de varillas | 25-450 | watt
Home & Kitchen > Small Appliances > Coffee Machines | espresso machine; coffee maker; capsule coffee machine; drip coffee machine | cafetera espresso; cafetera de cápsulas | 35-700 | bar
Home & Kitchen > Small Appliances > Vacuum Cleaners | vacuum cleaner; cordless vacuum; robot vacuum; handheld vacuum | aspiradora; robot aspirador | 40-600 | watt
Home & Kitchen > Tableware > Plates & Bowls | dinner plate; soup bowl; salad bowl; side plate; bowl | plato llano; cuenco | 5-70 | cm
Home & Kitchen > Tableware > Mugs | coffee mug; travel mug; tea cup; enamel mug; mug | taza de café; taza | 4-30 | ml
Home & Kitchen > Tableware > Glasses | wine glass; tumbler; champagne flute; whisky glass; glasses | copa de vino; vaso | 5-60 | ml
Home & Kitchen > Tableware > Cutlery | cutlery set; steak knife; dessert spoon; fork set; knife | cubertería; juego de cubiertos | 10-120 | piece
Home & Kitchen > Bedding > Duvet Covers | duvet cover; duvet cover set; quilt cover; cover | funda nórdica | 20-120 | bed
Home & Kitchen > Bedding > Pillows | memory foam pillow; pillow; neck pillow; feather pillow | almohada viscoelástica; almohada | 12-90 | cm
Home & Kitchen > Bedding > Sheets | fitted sheet; flat sheet; bed sheet set; pillow case; case | sábana bajera; juego de sábanas | 12-90 | bed
Home & Kitchen > Bath > Towels | bath towel; hand towel; towel set; beach towel; towel | toalla de baño; toalla | 6-60 | cm
Home & Kitchen > Bath > Bath Mats | bath mat; shower mat; bathroom rug; mat | alfombrilla de baño | 8-45 | cm
Home & Kitchen > Storage > Food Containers | food container; lunch box; storage jar; glass container; box | fiambrera; recipiente hermético | 6-50 | litre
Home & Kitchen > Storage > Baskets & Boxes | storage basket; laundry basket; storage box; woven basket; box | cesta de almacenaje; caja organizadora | 8-60 | litre
Home & Kitchen > Lighting > Desk Lamps | desk lamp; reading lamp; clamp lamp; lamp | flexo; lámpara de escritorio | 14-110 | watt
Home & Kitchen > Lighting > Floor Lamps | floor lamp; standing lamp; arc lamp; lamp | lámpara de pie | 30-250 | cm
Home & Kitchen > Lighting > Light Bulbs | led bulb; smart bulb; filament bulb; candle bulb; bulb | bombilla led; bombilla | 3-35 | watt
Home & Kitchen > Decor > Curtains | blackout curtain; sheer curtain; eyelet curtain; curtain panel | cortina opaca; visillo | 15-110 | cm
Home & Kitchen > Decor > Candles | scented candle; pillar candle; soy candle; tealights; candle | vela aromática | 4-45 | gram
Home & Kitchen > Decor > Picture Frames | picture frame; photo frame; poster frame; frame | marco de fotos | 6-60 | cm
Home & Kitchen > Decor > Wall Clocks | wall clock; silent clock; kitchen clock; clock | reloj de pared | 12-90 | cm
Furniture > Sofas | sofa; corner sofa; sofa bed; loveseat; couch | sofá; sofá cama | 250-2200 | seat
Furniture > Chairs > Office Chairs | office chair; desk chair; ergonomic chair; gaming chair; chair | silla de oficina; silla ergonómica | 70-450 | none
Furniture > Chairs > Dining Chairs | dining chair; kitchen chair; bar stool; chair | silla de comedor; taburete | 40-250 | none
Furniture > Tables > Coffee Tables | coffee table; side table; nesting tables; table | mesa de centro; mesita auxiliar | 45-400 | cm
Furniture > Tables > Desks | writing desk; standing desk; computer desk; desk | escritorio; mesa de ordenador | 70-700 | cm
Furniture > Bedroom > Bed Frames | bed frame; platform bed; divan bed; headboard | estructura de cama; cabecero | 120-1100 | bed
Furniture > Bedroom > Wardrobes | wardrobe; sliding wardrobe; closet; clothes rail | armario ropero | 110-900 | cm
Furniture > Shelving | bookcase; wall shelf; shelving unit; floating shelf; shelf | estantería; balda | 18-300 | cm
Tools & DIY > Power Tools > Drills | cordless drill; hammer drill; drill driver; impact driver; drill | taladro percutor; taladro sin cable | 40-320 | volt
Tools & DIY > Power Tools > Saws | circular saw; jigsaw; mitre saw; reciprocating saw; saw | sierra circular; sierra de calar | 45-420 | volt
Tools & DIY > Power Tools > Sanders | orbital sander; belt sander; detail sander; polisher | lijadora orbital; pulidora | 30-250 | watt
Tools & DIY > Hand Tools > Screwdrivers | screwdriver; screwdriver set; precision screwdriver; bit set | destornillador; juego de puntas | 5-60 | piece
Tools & DIY > Hand Tools > Hammers | claw hammer; rubber mallet; sledge hammer; hammer | martillo; maza de goma | 8-60 | gram
Tools & DIY > Hand Tools > Wrenches | adjustable wrench; socket set; spanner set; torque wrench | llave inglesa; llave de carraca | 9-160 | mm
Tools & DIY > Hand Tools > Hand Saws | hand saw; hacksaw; pruning saw; saw | serrucho; sierra de mano | 8-60 | mm
Tools & DIY > Measuring > Tape Measures | tape measure; measuring tape; steel tape; tape | cinta métrica; flexómetro | 4-35 | metre
Tools & DIY > Measuring > Levels | spirit level; laser level; cross line laser; level | nivel láser; nivel de burbuja | 9-260 | cm
Tools & DIY > Painting > Paint Brushes | paint brush; brush set; paint roller; angle brush; brush | brocha; rodillo de pintura | 4-35 | mm
Tools & DIY > Painting > Wall Paint | wall paint; emulsion paint; matt paint; primer; paint | pintura plástica; imprimación | 12-95 | litre
Tools & DIY > Fixings > Screws | wood screws; drywall screws; self tapping screws; screws | tornillos para madera; tornillos rosca chapa | 3-30 | screw
Tools & DIY > Fixings > Wall Plugs | wall plugs; nylon plugs; plasterboard anchors; anchors | tacos de nylon; tacos | 3-25 | screw
Tools & DIY > Fixings > Adhesives & Tape | wood glue; super glue; mounting tape; duct tape; tape | cola blanca; cinta adhesiva | 3-25 | ml
Tools & DIY > Electrical > Extension Leads | extension lead; power strip; cable reel; plug adapter; adapter | regleta; alargador | 8-70 | metre
Tools & DIY > Electrical > Switches & Sockets | light switch; wall socket; dimmer switch; socket; switch | interruptor; enchufe de pared | 4-45 | none
Tools & DIY > Safety > Work Gloves | work gloves; cut resistant gloves; nitrile gloves; gloves | guantes de trabajo | 3-30 | clothing
Tools & DIY > Safety > Safety Glasses | safety glasses; protective goggles; face shield; glasses; goggles | gafas de seguridad | 4-35 | none
Garden > Plant Care > Plant Pots | plant pot; planter; hanging planter; flower pot; pot | maceta; macetero | 4-70 | cm
Garden > Plant Care > Seeds | vegetable seeds; flower seeds; herb seeds; lawn seed; seeds | semillas de flores; semillas de huerto | 2-20 | gram
Garden > Plant Care > Fertilizers & Soil | fertilizer; potting soil; plant food; compost | abono; sustrato universal | 5-40 | litre
Garden > Watering > Hoses | garden hose; expandable hose; hose reel; hose | manguera de jardín | 15-110 | metre
Garden > Watering > Sprinklers | sprinkler; oscillating sprinkler; drip irrigation kit; watering timer | aspersor; riego por goteo | 8-80 | none
Garden > Garden Tools > Pruners | pruning shears; secateurs; hedge shears; loppers; scissors | tijeras de podar; cortasetos manual | 9-70 | mm
Garden > Garden Tools > Garden Gloves | gardening gloves; rose gloves; thorn proof gloves; gloves | guantes de jardín | 4-25 | clothing
Garden > Garden Tools > Lawn Mowers | lawn mower; robot mower; electric mower; strimmer | cortacésped; desbrozadora | 70-900 | volt
Garden > Outdoor Living > Barbecues | charcoal grill; gas barbecue; portable grill; bbq; grill | barbacoa de carbón; parrilla | 35-700 | cm
Garden > Outdoor Living > Garden Furniture | garden table; sun lounger; garden bench; patio set; garden chair; chair | mesa de jardín; tumbona | 40-700 | seat
Fashion > Women > Dresses | midi dress; summer dress; maxi dress; wrap dress; dress | vestido midi; vestido de verano | 18-160 | clothing
Fashion > Women > Tops | women's blouse; crop top; tunic; women's t-shirt; t-shirt | blusa; camiseta de mujer | 9-70 | clothing
Fashion > Women > Jeans | women's jeans; skinny jeans; mom jeans; jeans | vaqueros de mujer | 20-120 | clothing
Fashion > Women > Handbags | handbag; tote bag; shoulder bag; clutch; bag | bolso de mano; bolso | 18-250 | none
Fashion > Men > Shirts | men's shirt; oxford shirt; linen shirt; polo shirt; shirt | camisa de hombre; polo | 16-110 | clothing
Fashion > Men > T-Shirts | men's t-shirt; graphic tee; crew neck tee; t-shirt | camiseta de hombre | 8-50 | clothing
Fashion > Men > Jeans | men's jeans; straight jeans; slim fit jeans; jeans | vaqueros de hombre | 22-120 | clothing
Fashion > Men > Wallets | leather wallet; card holder; bifold wallet; wallet | cartera de piel; tarjetero | 10-90 | none
Fashion > Shoes > Sneakers | sneakers; canvas shoes; trainers; low top shoes; shoes | zapatillas casual; zapatillas | 22-140 | shoe
Fashion > Shoes > Boots | ankle boots; chelsea boots; winter boots; hiking boots; boots | botines; botas | 35-220 | shoe
Fashion > Shoes > Sandals | sandals; flip flops; wedge sandals; slides | sandalias; chanclas | 12-100 | shoe
Fashion > Accessories > Sunglasses | sunglasses; polarised sunglasses; aviator glasses; glasses | gafas de sol | 10-160 | none
Fashion > Accessories > Watches | quartz watch; analogue watch; dress watch; chronograph; watch | reloj analógico; reloj de pulsera | 20-350 | mm
Fashion > Accessories > Scarves & Gloves | wool scarf; silk shawl; winter gloves; touchscreen gloves; gloves | bufanda de lana; guantes de invierno | 9-80 | none
Fashion > Accessories > Belts | leather belt; reversible belt; woven belt; belt | cinturón de cuero | 10-70 | cm
Fashion > Jewellery > Necklaces | necklace; pendant; chain; choker | collar; colgante | 9-300 | cm
Fashion > Jewellery > Earrings | stud earrings; hoop earrings; drop earrings; earrings | pendientes; aros de plata | 6-220 | none
Fashion > Jewellery > Rings | ring; band ring; engagement ring; stacking rings | anillo; alianza | 9-500 | mm
Beauty & Health > Skin Care > Face Creams | face cream; day cream; night cream; moisturiser; cream | crema facial; crema hidratante | 6-80 | ml
Beauty & Health > Skin Care > Cleansers | face wash; cleansing gel; micellar water; face scrub | gel limpiador; agua micelar | 5-40 | ml
Beauty & Health > Skin Care > Sunscreen | sunscreen; sun lotion; after sun; spf spray; lotion | protector solar; crema solar | 8-40 | ml
Beauty & Health > Make-up > Lipsticks | lipstick; lip gloss; lip liner; lip tint | barra de labios; brillo de labios | 4-40 | gram
Beauty & Health > Make-up > Make-up Brushes | make-up brush; foundation brush; powder brush; brush set; brush | brocha de maquillaje | 4-45 | piece
Beauty & Health > Hair Care > Shampoos | shampoo; dry shampoo; anti dandruff shampoo; conditioner | champú; acondicionador | 4-35 | ml
Beauty & Health > Hair Care > Hair Brushes | hair brush; detangling brush; comb; round brush; brush | cepillo de pelo; peine | 4-35 | none
Beauty & Health > Hair Care > Hair Dryers | hair dryer; travel dryer; ionic dryer; diffuser | secador de pelo | 18-250 | watt
Beauty & Health > Fragrance | eau de parfum; eau de toilette; body mist; perfume | perfume; colonia | 12-150 | ml
Beauty & Health > Oral Care > Toothbrushes | electric toothbrush; toothbrush; toothbrush heads; brush | cepillo de dientes | 3-160 | pack
Beauty & Health > Oral Care > Toothpaste | toothpaste; whitening toothpaste; mouthwash; dental floss | pasta de dientes; enjuague bucal | 2-15 | ml
Beauty & Health > Supplements > Vitamins | vitamin c; multivitamin; vitamin d3; omega 3 capsules; capsules | vitaminas; complejo vitamínico | 6-50 | capsule
Beauty & Health > Supplements > Protein | whey protein; protein powder; vegan protein; protein bar; powder | proteína de suero; barrita de proteína | 15-90 | gram
Sports & Outdoors > Fitness > Yoga Mats | yoga mat; exercise mat; pilates mat; mat | esterilla de yoga | 12-80 | mm
Sports & Outdoors > Fitness > Weights | dumbbell; kettlebell; dumbbell set; weight plates | mancuernas; pesa rusa | 10-250 | kg
Sports & Outdoors > Fitness > Exercise Machines | treadmill; exercise bike; rowing machine; elliptical | cinta de correr; bicicleta estática | 120-1500 | none
Sports & Outdoors > Cycling > Bikes | mountain bike; city bike; road bike; electric bike; bike | bicicleta de montaña; bicicleta urbana | 180-2800 | inch
Sports & Outdoors > Cycling > Helmets | bike helmet; cycling helmet; kids helmet; helmet | casco de bicicleta | 18-150 | clothing
Sports & Outdoors > Cycling > Bike Lights | bike light; front light; rear light; light set | luz para bicicleta | 8-80 | lumen
Sports & Outdoors > Camping > Tents | camping tent; dome tent; pop up tent; tent | tienda de campaña | 40-450 | person
Sports & Outdoors > Camping > Sleeping Bags | sleeping bag; mummy sleeping bag; camping quilt; bag | saco de dormir | 25-220 | cm
Sports & Outdoors > Camping > Torches & Lanterns | head torch; camping lantern; flashlight; lamp | linterna frontal; farol de camping | 8-90 | lumen
Sports & Outdoors > Backpacks | hiking backpack; trekking rucksack; daypack; backpack; bag | mochila de senderismo; mochila | 25-220 | litre
Sports & Outdoors > Water Bottles | water bottle; insulated bottle; sports bottle; bottle | botella de agua; cantimplora | 7-50 | ml
Sports & Outdoors > Swimming > Goggles | swimming goggles; swim mask; kids goggles; goggles | gafas de natación | 6-45 | none
Sports & Outdoors > Racket Sports | tennis racket; padel racket; badminton set; tennis balls | raqueta de tenis; pala de pádel | 10-250 | gram
Toys & Baby > Toys > Building Sets | building blocks; construction set; brick set; blocks | bloques de construcción | 10-150 | piece
Toys & Baby > Toys > Puzzles | jigsaw puzzle; wooden puzzle; 3d puzzle; puzzle | puzle; rompecabezas | 6-45 | piece
Toys & Baby > Toys > Board Games | board game; card game; strategy game; family game | juego de mesa; juego de cartas | 8-70 | person
Toys & Baby > Toys > Dolls | fashion doll; baby doll; doll house; doll | muñeca; casa de muñecas | 9-120 | cm
Toys & Baby > Toys > Soft Toys | teddy bear; plush toy; stuffed animal; soft toy | peluche; oso de peluche | 7-60 | cm
Toys & Baby > Toys > Toy Vehicles | toy car; remote control car; train set; toy truck | coche de juguete; coche teledirigido | 6-120 | scale
Toys & Baby > Baby > Diapers | diapers; nappies; swim nappies; training pants | pañales | 6-50 | pack
Toys & Baby > Baby > Feeding Bottles | baby bottle; anti colic bottle; feeding bottle; bottle | biberón; biberón anticólico | 6-40 | ml
Toys & Baby > Baby > Strollers | stroller; pushchair; travel system; buggy | carrito de bebé; silla de paseo | 70-900 | none
Toys & Baby > Baby > Car Seats | car seat; booster seat; isofix car seat; seat | silla de coche; elevador de coche | 45-450 | kg
Pet Supplies > Dogs > Dog Food | dry dog food; wet dog food; puppy food; dog treats | pienso para perros; snacks para perros | 4-80 | kg
Pet Supplies > Dogs > Leashes & Collars | dog leash; dog collar; dog harness; collar | correa para perros; collar para perro; arnés | 6-50 | cm
Pet Supplies > Dogs > Dog Beds | dog bed; orthopaedic dog bed; pet mat; mat | cama para perros | 15-120 | cm
Pet Supplies > Cats > Cat Food | dry cat food; wet cat food; kitten food; cat treats | pienso para gatos; comida húmeda para gatos | 3-60 | kg
Pet Supplies > Cats > Cat Litter | clumping litter; cat litter; silica litter; litter box | arena para gatos; arenero | 6-45 | kg
Pet Supplies > Cats > Scratching Posts | scratching post; cat tree; scratching board; cat tower | rascador para gatos | 12-180 | cm
Pet Supplies > Grooming | pet brush; dog shampoo; nail clippers; deshedding brush; brush | cepillo para mascotas; champú para perros | 5-40 | none
Pet Supplies > Aquariums | aquarium filter; fish tank; air pump; aquarium light; filter | filtro de acuario; acuario | 8-250 | litre
Automotive > Car Care > Car Cleaning | car shampoo; car wax; microfibre cloth; wheel cleaner | champú para coche; cera para coche | 5-40 | ml
Automotive > Car Care > Car Mats | car mat; rubber floor mats; boot liner; mat | alfombrillas de coche | 15-110 | pack
Automotive > Car Electronics | dash cam; car radio; reversing camera; car charger; charger | cámara de coche; autorradio | 14-300 | none
Automotive > Parts > Filters | oil filter; air filter; cabin filter; filter | filtro de aceite; filtro de aire | 5-50 | mm
Automotive > Parts > Wiper Blades | wiper blades; windscreen wipers; rear wiper | escobillas limpiaparabrisas | 8-45 | mm
Automotive > Parts > Car Bulbs | headlight bulb; h7 bulb; led car bulb; bulb | bombilla de coche; bombilla h7 | 5-80 | watt
Office & School > Writing > Pens | ballpoint pen; gel pen; fountain pen; pen | bolígrafo; pluma estilográfica | 2-80 | pack
Office & School > Writing > Markers | highlighter; permanent marker; whiteboard marker; felt tip pens; pen | rotulador; subrayador | 3-30 | pack
Office & School > Paper > Notebooks | notebook; spiral notebook; dotted journal; sketchbook | cuaderno; libreta | 3-30 | page
Office & School > Paper > Printer Paper | copy paper; photo paper; a4 paper; card stock; paper | papel a4; papel fotográfico | 4-45 | page
Office & School > Printing > Ink Cartridges | ink cartridge; toner cartridge; ink set; toner | cartucho de tinta; tóner | 9-140 | pack
Office & School > School Bags > Pencil Cases | pencil case; pen pouch; pencil roll; case | estuche escolar | 4-30 | none
Office & School > School Bags > Backpacks | school backpack; laptop backpack; kids backpack; backpack; bag | mochila escolar | 15-90 | litre
Office & School > Desk Accessories | desk organiser; stapler; hole punch; scissors; desk pad | organizador de escritorio; grapadora | 4-45 | none
Groceries > Drinks > Coffee | ground coffee; coffee beans; espresso capsules; instant coffee; capsules | café molido; café en grano | 3-35 | gram
Groceries > Drinks > Tea | green tea; black tea; herbal tea; tea bags | té verde; infusión | 2-25 | gram
Groceries > Pantry > Olive Oil | olive oil; extra virgin olive oil; cooking oil; oil | aceite de oliva; aceite de oliva virgen extra | 4-40 | ml
Groceries > Pantry > Pasta & Rice | spaghetti; basmati rice; penne; risotto rice; pasta | espaguetis; arroz bomba | 1-12 | gram
Groceries > Pantry > Spices | smoked paprika; black pepper; curry powder; saffron; powder | pimentón; azafrán | 2-25 | gram
Groceries > Snacks > Chocolate | dark chocolate; milk chocolate; chocolate truffles; chocolate bar | chocolate negro; bombones | 2-30 | gram
Groceries > Snacks > Nuts | roasted almonds; cashews; mixed nuts; pistachios | almendras tostadas; frutos secos | 3-25 | gram
"""

BRANDS = {
    "Electronics": "Voltera Nexil Auralis Pixora Kordel Zenwave Lumitek Orbitron Quanta-X Sonelle",
    "Home & Kitchen": "Casaluna Brasera Hearthly Nordhem Cocinova Tefina Domura Linnea Morada Velora",
    "Furniture": "Nordhem Oakline Studiowood Muebla Habitera Linnea",
    "Tools & DIY": "Ferrox Taladrix Ironbay Makton Boldur Wolfram Steinberg Tornex Handwerk",
    "Garden": "Verdania Jardinova Growell Ferrox Hortis Solterra",
    "Fashion": "Bellmira Urbano Saffi Trama Kendrick Lunaria Maré Oxbridge Zafira",
    "Beauty & Health": "Dermalia Puravi Oleana Velvetta Sanora Botanea Lunaria",
    "Sports & Outdoors": "Alpina-Ridge Kinetik Trekora Fitzone Aquaro Pedalis Summitra",
    "Toys & Baby": "Tinytoes Juguetón Bricko Papillon Nubeluna Playmondo",
    "Pet Supplies": "Pawfolk Huella Felinea Canova Whiskero",
    "Automotive": "Motorix Autolia Lumitek Carvex Rodante",
    "Office & School": "Papira Scribo Inkwell Kordel Ofimax",
    "Groceries": "Olivar Cafetal Delizia Montesol Granero Selva",
}

SIZES = {
    "none": "",
    "watt": "{} W:5 10 20 40 60 100 500 750 900 1200 2000",
    "gigabyte": "{} GB:16 32 64 128 256 512",
    "terabyte": "{} TB:1 2 4 5 8",
    "mah": "{} mAh:5000 10000 20000 26800",
    "inch": "{} inch:13.3 15.6 24 26 27 29 32 43 55 65",
    "metre": "{} m:0.5 1 1.5 2 3 5 10 15 20 25",
    "cm": "{} cm:10 15 20 24 28 30 40 50 60 80 90 100 120 160 180",
    "mm": "{} mm:4 6 8 10 14 18 22 38 42 46 50 200 450 600",
    "litre": "{} L:0.5 1 1.5 1.7 2 2.5 5 10 15 20 25 40 60",
    "ml": "{} ml:30 50 75 100 200 250 300 350 400 500 750 1000",
    "kg": "{} kg:1 1.5 2 3 4 5 8 10 12 15 20",
    "gram": "{} g:5 25 50 80 100 125 200 250 300 340 500 750",
    "volt": "{} V:12 18 20 36 40",
    "bar": "{} bar:15 19 20",
    "lumen": "{} lm:80 200 400 800 1000",
    "pack": "pack of {}:2 3 4 5 6 10 12 24",
    "piece": "{} pcs:3 4 6 8 12 16 24 32 100 500 1000",
    "capsule": "{} capsules:30 60 90 120 180",
    "page": "{} sheets:40 80 96 100 120 200 500",
    "person": "{} persons:2 3 4 6",
    "seat": "{} seater:2 3 4",
    "scale": "1:{}:18 24 32 43",
    "bed": "{} cm:90x190 135x190 140x200 150x200 160x200 180x200",
    "screw": "{} mm:3.5x25 4x30 4x40 4.5x50 5x60 5x80 6x100 8x40",
    "clothing": "size {}:XS S M L XL XXL",
    "shoe": "EU {}:36 37 38 39 40 41 42 43 44 45",
}

COLOURS = "black white grey blue navy red green olive beige brown pink purple silver gold turquoise"
SPANISH_COLOURS = "negro blanco gris azul rojo verde beige marrón rosa plateado dorado"
QUALITIES = (
    "premium; classic; compact; lightweight; heavy duty; professional; eco; 2nd generation; deluxe; durable; slim; "
    "foldable; waterproof; universal; handmade; original; basic; essential; large; mini; new 2026"
)
SPANISH_QUALITIES = (
    "profesional; clásico; compacto; ligero; de calidad; resistente; ecológico; plegable; original; grande"
)
VAGUE = (
    "set; kit; bundle; accessory; value pack; gift set; replacement part; special edition; spare part; combo"
)
SPANISH_VAGUE = "set; kit; pack ahorro; accesorio; recambio; edición especial; lote"
ABBREVIATIONS = {
    "black": "blk", "white": "wht", "with": "w/", "stainless steel": "s/steel", "wireless": "wless", "pack of": "pk",
    "professional": "pro", "para": "p/", "de ": "d ", "size": "sz", "and": "&", "portable": "port.", "electric": "elec.",
    "universal": "univ.", "negro": "neg.", "blanco": "blco",
}  # fmt: skip
DESCRIPTIONS = (
    "{noun} by {brand}, {quality} and {quality2}. Suits everyday use.",
    "This {noun} comes in {colour}. Delivery in 48 hours, 30 days to return it.",
    "{quality} {noun}. {size}. Designed to last.",
    "Our best selling {noun}: {quality}, easy to use, a great gift.",
    "Free shipping on orders over 50. {quality}, {colour}.",
    "Please check the size before ordering. {size}",
)
SPANISH_DESCRIPTIONS = (
    "{noun} de {brand}, {quality}. Envío en 24 horas.",
    "{noun} {quality} en color {colour}. Devolución gratuita en 30 días.",
    "Producto {quality}. {size}. Garantía de dos años.",
)
SELLER_FIRST = (
    "Kestrel Northgate Bluebird Casa Maple Harbour Sol Luna Granite Cedar Amber Violet Swift Copper Meadow Tres "
    "Ribera Prado Monte Valle Costa Isla Norte Sur Puente Plaza Mercado Rincón Silver Golden Little Grand Urban "
    "Royal Prime Direct Global Happy Bright Clever Honest Quick Simple Modern Classic Polar Tropic Delta Omega "
    "Alba Brisa Nube Roca Arena Flor Hoja Rio Lago Bosque"
)
SELLER_SECOND = (
    "Trading Supplies Market Store Outlet Bazaar Goods Traders Imports Depot Corner House Collective Workshop "
    "Emporium Merchants Warehouse Comercial Distribuciones Almacenes Tienda Hogar Bros Partners Group Retail Shop "
    "Deals Express Boutique"
)
SELLER_THIRD = "Ltd SL Co GmbH SA Online EU UK ES"
